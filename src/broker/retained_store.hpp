#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "broker/deliveries.hpp"
#include "session/journal.hpp"
#include "session/source.hpp"
#include "session/work.hpp"
#include "topic/retained_tree.hpp"
#include "topic/subscription_tree.hpp"

namespace shoal::broker {

struct ClientSession;
class RetainedRequest;
class RetainedRequests;
class StoreJournal;

/// A retained message as it is stored.
struct Retained {
  session::MessageRef message;
  std::uint64_t number : 48 = 0;  ///< grows from one that is stored to the next
  std::uint64_t place : 16 = 0;   ///< the segment where the journal was told of it
  std::uint64_t publisher = 0;    ///< as the one who stores tells clients apart; 0: none, or not known

  explicit operator bool() const { return static_cast<bool>(message); }
};

/// Whether a subscription gets it for which those up to `until` are, but none of the publisher `without` (0: all).
bool due(const Retained& retained, std::uint64_t until, std::uint64_t without, session::Time now);

/// The retained messages of an instance, or of one of its shards, within its limits. Pure; the shard's thread.
class RetainedStore {
 public:
  using Tree = topic::RetainedTree<Retained>;

  RetainedStore(const Limits& limits, base::TextHash hash) : limits_(limits), tree_(hash) {}

  /// Who hears of what has to survive; null: nobody.
  void set_journal(StoreJournal* journal) { journal_ = journal; }
  /// About what `tell_again` would write.
  std::uint64_t told_bytes(Tree::Place node, session::Place place);
  /// Tells the journal again what it was told of a node in the segment `place`.
  void tell_again(Tree::Place node, session::Place place);
  /// A message that survived. The journal is not told; where it is.
  Tree::Place restore(const session::MessageRef& message, session::Place place);

  /// Other shards have so many, and so many bytes of them, under the same limits.
  void set_others(std::uint64_t messages, std::uint64_t bytes) {
    others_ = messages;
    others_bytes_ = bytes;
  }
  /// Whether a message of that size may be stored; makes room from expired ones when it has to.
  bool fits(std::string_view topic, std::size_t size, base::Time now);
  /// The same for another shard's message, as far as it can be told here.
  bool fit_elsewhere(std::size_t size) const {
    return others_ + this->size() < limits_.retained_messages && others_bytes_ + bytes() + size <= limits_.retained_bytes;
  }
  /// Stores the message of its topic (MQTT-3.3.1-5).
  void set(const session::MessageRef& message, std::uint64_t publisher);
  /// Removes the message of a topic (MQTT-3.3.1-6, MQTT-3.3.1-7).
  void clear(std::string_view topic);
  /// The server's own messages are not limited and not counted.
  void set_own(const session::MessageRef& message);
  void clear_own(std::string_view topic);

  Tree& tree() { return tree_; }
  /// Number of the last one that was stored.
  std::uint64_t last_number() const { return last_number_; }
  /// Clients' messages.
  std::size_t size() const { return tree_.size() - own_; }
  /// Topic, payload and properties of clients' messages, and the memory of the tree they are in.
  std::uint64_t bytes() const { return content_bytes_ + tree_.index_bytes(); }
  /// Without the tree.
  std::uint64_t content_bytes() const { return content_bytes_; }
  /// What the messages in the tree take, the server's own included.
  std::uint64_t message_bytes() const { return message_bytes_; }

 private:
  session::MessageRef replace(std::string_view topic, const session::MessageRef& message, std::uint64_t publisher,
                              Tree::Place* where = nullptr);
  Tree::Place put(const session::MessageRef& message, std::uint64_t publisher);
  void drop_expired(base::Time now);

  friend class RetainedFeed;

  const Limits& limits_;
  StoreJournal* journal_ = nullptr;
  Tree tree_;
  std::uint64_t last_number_ = 0;
  std::size_t own_ = 0;
  std::uint64_t others_ = 0;
  std::uint64_t others_bytes_ = 0;
  std::uint64_t content_bytes_ = 0;
  std::uint64_t message_bytes_ = 0;
  base::Time expire_from_ = base::kNever;  // none expires before
};

/// The retained messages that a session's new subscriptions still have to get: one walk at a time, of
/// which a message is taken when the client has room for it. So what waits takes the same memory
/// however many messages there are. Only messages from before the subscription are met: later ones come
/// as live messages, behind these.
class RetainedFeed final : public session::Source {
 public:
  using Handle = topic::SubscriptionTree::Handle;

  ~RetainedFeed();
  RetainedFeed(RetainedStore& store, const topic::SubscriptionTree& subscriptions, session::Work& work,
               Deliveries& deliveries, ClientSession& session)
      : store_(store), subscriptions_(subscriptions), work_(work), deliveries_(deliveries), session_(session) {}

  struct Wanted {
    Handle handle;
    mqtt::SubscriptionOptions options;
    std::uint32_t id;
    std::uint64_t until;    ///< number of the last message that was there
    std::uint64_t without;  ///< publisher whose messages are left out (MQTT-3.8.3-3); 0: none
    std::unique_ptr<RetainedRequest> elsewhere{};  ///< those that another shard owns; null: those that are here
  };
  /// A subscription that waits already has to be removed before.
  void add(Wanted wanted);
  /// The subscription was replaced by one that does not ask for retained messages.
  void update(Handle handle, mqtt::SubscriptionOptions options, std::uint32_t id);
  /// Messages up to this number are taken, too.
  void take_newer(std::uint64_t until);
  /// The subscription is gone.
  void remove(Handle handle);

  bool waiting() const override { return !wanted_.empty(); }
  bool front(Item& item, session::Time now) override;
  void pop() override;

 private:
  bool search(Item& item, session::Time now, std::size_t& steps);
  void set(Item& item, const Wanted& wanted, const session::MessageRef& message) const;

  RetainedStore& store_;
  const topic::SubscriptionTree& subscriptions_;
  session::Work& work_;
  Deliveries& deliveries_;
  ClientSession& session_;
  std::vector<Wanted> wanted_;
  std::unique_ptr<RetainedStore::Tree::Walk> walk_;  // for the first of them
};

}  // namespace shoal::broker
