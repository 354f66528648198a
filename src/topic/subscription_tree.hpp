#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mqtt/packet.hpp"
#include "topic/level_tree.hpp"

namespace shoal::topic {

/// Whoever subscribes. The tree only tells them apart; the owner derives its type from this.
struct Subscriber {
  bool announced = true;  ///< the `FilterListener` hears of its filters. There are few that it does not hear of
};

/// One subscriber's copy of a message: what all its matching subscriptions come to (one copy, highest
/// QoS, every identifier; MQTT-3.3.4-2, MQTT-3.3.4-4).
struct Match {
  Subscriber* subscriber = nullptr;
  std::uint32_t first_id = 0;  ///< into `Matches::ids`
  std::uint32_t id_count = 0;
  std::uint8_t qos = 0;
  bool retain_as_published = false;
  bool no_local = false;  ///< some matching subscription is no-local: ask `match_own` for its own messages
};

/// Everybody a topic goes to.
struct Matches {
  std::vector<Match> list;
  std::vector<std::uint32_t> ids;  ///< subscription identifiers

  std::size_t weight() const { return list.size() + ids.size(); }
};

/// Hears which filters there are of subscribers that are announced.
class FilterListener {
 public:
  /// One of them subscribes with that filter, and none did before. It is at this node until it is removed.
  virtual void filter_added(std::string_view filter, std::uint32_t node) = 0;
  /// None does any more.
  virtual void filter_removed(std::string_view filter) = 0;

 protected:
  ~FilterListener() = default;
};

/// All ordinary subscriptions of an instance: filters in, matches out. The last results are cached by
/// topic until a subscription changes. A resource of one thread.
class SubscriptionTree {
 public:
  /// One subscription, valid from `subscribe` to `unsubscribe`.
  using Handle = std::uint32_t;
  using Node = std::uint32_t;
  static constexpr Node kNone = UINT32_MAX;
  static constexpr std::uint32_t kIdMax = 0xfffffff;

  explicit SubscriptionTree(base::TextHash hash = base::TextHash()) : hash_(hash), tree_(hash), shapes_(hash) {}

  /// Who hears of filters that come and go; null: nobody. It outlives the tree, or is taken away.
  void set_listener(FilterListener* listener) { listener_ = listener; }

  /// Node of a filter, for a subscriber to see whether it has it already; `kNone` when nobody has.
  Node find(std::string_view filter) const { return tree_.find(filter); }
  /// The subscription of that subscriber with that filter, or `kNone`; looks at all with the filter, first at those of
  /// subscribers that are not announced.
  Handle find(std::string_view filter, const Subscriber* subscriber) const;
  Node node(Handle handle) const { return entries_[handle].node; }

  /// Adds a subscription. The caller sees to it that the subscriber has none with this filter.
  /// `id` 0 means no identifier, the most is `kIdMax`. The filter is valid (`mqtt::is_topic_filter`).
  Handle subscribe(std::string_view filter, Subscriber* subscriber, mqtt::SubscriptionOptions options,
                   std::uint32_t id);
  /// Replaces options and identifier (MQTT-3.8.4-3).
  void update(Handle handle, mqtt::SubscriptionOptions options, std::uint32_t id);
  void unsubscribe(Handle handle);

  /// Who gets a message on `topic`. Valid until the next call of anything that is not const.
  const Matches& match(std::string_view topic);
  /// The same from the nodes of all filters that match, for who has them already; a stranger's may be none. Null when
  /// more than `kFew` have subscribed to them: then it is better searched for, which is remembered.
  const Matches* match_at(std::span<const Node> nodes);
  static constexpr std::size_t kFew = 16;
  /// The subscriber's copy of its own message: no-local subscriptions do not count (MQTT-3.8.3-3).
  /// `matches.list` has one entry or none.
  void match_own(std::string_view topic, Subscriber* subscriber, Matches& matches);

  std::string filter(Handle handle) const { return tree_.path(entries_[handle].node); }
  mqtt::SubscriptionOptions options(Handle handle) const {
    const Entry& e = entries_[handle];
    return {static_cast<std::uint8_t>(e.qos), e.no_local != 0, e.retain_as_published != 0,
            static_cast<std::uint8_t>(e.retain_handling)};
  }
  std::uint32_t id(Handle handle) const { return entries_[handle].id; }
  std::size_t size() const { return size_; }
  /// Memory of the subscriptions and of the tree they are in.
  std::size_t bytes() const { return size_ * sizeof(Entry) + tree_.bytes() + shapes_.bytes(); }
  /// What the remembered results take.
  std::size_t cache_bytes() const {
    return cache_.size() * sizeof(Cached) + cache_weight_ * sizeof(Match) + cache_text_;
  }
  /// Gives back what it took when there were more subscriptions, and forgets results. Handles stay.
  void shrink();
  /// True when some filter starts with this level.
  bool any_below(std::string_view level) const {
    return tree_.child(LevelTree<First>::kRoot, tree_.names().find(level)) != LevelTree<First>::kNone;
  }
  /// Most nodes that a search may look at for a topic of so many levels, and how many a subscription to this filter
  /// would add to that. For each level a search follows nodes that differ in where they have `+`; so they are bounded
  /// by how many such shapes there are, whatever the texts. What it finds comes to that.
  std::size_t search_max(std::size_t levels) const { return 1 + levels + shapes_.size(); }
  std::size_t search_added(std::string_view filter) const;
  /// What the last `match`, `match_at` or `match_own` took: nodes and subscriptions looked at; 1 for a cached result.
  std::size_t match_work() const { return match_work_; }
  /// Grows with every change: results of different values may differ.
  std::uint64_t generation() const { return generation_; }

 private:
  struct Entry {
    Subscriber* subscriber = nullptr;
    Handle next = kNone;
    Handle previous = kNone;
    std::uint32_t node : 30 = 0;
    std::uint32_t qos : 2 = 0;
    std::uint32_t id : 28 = 0;
    std::uint32_t no_local : 1 = 0;
    std::uint32_t retain_as_published : 1 = 0;
    std::uint32_t retain_handling : 2 = 0;

    void set(mqtt::SubscriptionOptions options, std::uint32_t identifier) {
      qos = options.qos & 3;
      no_local = options.no_local;
      retain_as_published = options.retain_as_published;
      retain_handling = options.retain_handling & 3;
      id = identifier & kIdMax;
    }
  };
  static_assert(sizeof(Entry) == 24);

  // The value of a tree node: the first of its entries. Those of subscribers that are not announced come first.
  struct First {
    Handle handle = kNone;
    bool operator!() const { return handle == kNone; }
  };

  // Filters of one shape.
  struct Count {
    std::uint32_t filters = 0;
    bool operator!() const { return filters == 0; }
  };

  struct Cached {
    std::uint64_t generation = 0;
    std::string topic;
    Matches matches;
  };

  void forget_shape(Node node);
  void collect(std::string_view topic);
  void merge(Matches& matches);
  Cached& cached(std::string_view topic);

  base::TextHash hash_;
  FilterListener* listener_ = nullptr;
  LevelTree<First> tree_;
  LevelTree<Count> shapes_;  // of filters with `+`
  std::vector<Entry> entries_;
  Handle free_ = kNone;
  std::size_t size_ = 0;
  std::uint64_t generation_ = 1;

  std::vector<Cached> cache_;  // direct-mapped, a power of two
  std::size_t cache_weight_ = 0;
  std::size_t cache_text_ = 0;  // bytes of topics
  std::size_t cache_conflicts_ = 0;
  Matches uncached_;
  std::size_t match_work_ = 0;

  // Scratch of one match, kept for its capacity.
  std::vector<Node> frontier_;
  std::vector<Node> next_frontier_;
  std::vector<Handle> found_;
};

}  // namespace shoal::topic
