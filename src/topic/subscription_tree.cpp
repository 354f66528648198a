#include "topic/subscription_tree.hpp"

#include <algorithm>
#include <cassert>
#include <functional>

namespace shoal::topic {
namespace {

constexpr std::size_t kCacheSizeMin = 16;
constexpr std::size_t kCacheSizeMax = 4096;
constexpr std::size_t kCacheWeightMax = 256 * 1024;  // matches and identifiers in all cached results

// A filter with every text replaced by one that is none; empty without `+`, because such filters are alone in their
// level. A `#` at the end is found from the node above.
std::string shape_of(std::string_view filter) {
  if (filter.find('+') == std::string_view::npos) return {};
  std::string shape;
  mqtt::Levels levels(filter);
  for (std::string_view level; levels.next(level);) {
    if (level != "#") shape += level == "+" ? "+/" : "-/";
  }
  shape.pop_back();
  return shape;
}

}  // namespace

SubscriptionTree::Handle SubscriptionTree::find(std::string_view filter, const Subscriber* subscriber) const {
  const Node node = tree_.find(filter);
  Handle handle = node == LevelTree<First>::kNone ? kNone : tree_.value(node).handle;
  while (handle != kNone && entries_[handle].subscriber != subscriber) handle = entries_[handle].next;
  return handle;
}

SubscriptionTree::Handle SubscriptionTree::subscribe(std::string_view filter, Subscriber* subscriber,
                                                     mqtt::SubscriptionOptions options, std::uint32_t id) {
  Handle handle;
  if (free_ != kNone) {
    handle = free_;
    free_ = entries_[handle].next;
  } else {
    handle = static_cast<Handle>(entries_.size());
    entries_.emplace_back();
  }
  const Node node = tree_.insert(filter);
  const Handle first = tree_.value(node).handle;
  assert(node < (1u << 30));
  Entry& entry = entries_[handle];
  entry.subscriber = subscriber;
  entry.next = first;
  entry.previous = kNone;
  entry.node = node & 0x3fffffff;
  entry.set(options, id);
  while (subscriber->announced && entry.next != kNone && !entries_[entry.next].subscriber->announced) {
    entry.previous = entry.next;
    entry.next = entries_[entry.next].next;
  }
  if (entry.next != kNone) entries_[entry.next].previous = handle;
  if (entry.previous != kNone) entries_[entry.previous].next = handle;
  else tree_.value(node).handle = handle;
  if (first == kNone) {
    if (const std::string shape = shape_of(filter); !shape.empty()) ++shapes_.value(shapes_.insert(shape)).filters;
  }
  ++size_;
  ++generation_;
  if (listener_ && subscriber->announced && entry.next == kNone) listener_->filter_added(filter, node);
  return handle;
}

void SubscriptionTree::update(Handle handle, mqtt::SubscriptionOptions options, std::uint32_t id) {
  entries_[handle].set(options, id);
  ++generation_;
}

void SubscriptionTree::unsubscribe(Handle handle) {
  Entry& entry = entries_[handle];
  if (entry.previous != kNone) entries_[entry.previous].next = entry.next;
  else tree_.value(entry.node).handle = entry.next;
  if (entry.next != kNone) entries_[entry.next].previous = entry.previous;
  const bool last_announced = entry.subscriber->announced && entry.next == kNone &&
                              (entry.previous == kNone || !entries_[entry.previous].subscriber->announced);
  if (listener_ && last_announced) listener_->filter_removed(tree_.path(entry.node));
  if (entry.previous == kNone && entry.next == kNone) forget_shape(entry.node);
  tree_.prune(entry.node);
  entry = Entry{};
  entry.next = free_;
  free_ = handle;
  --size_;
  ++generation_;
}

// Nobody has the node's filter any more.
void SubscriptionTree::forget_shape(Node node) {
  if (shapes_.size() == 0) return;
  const std::string shape = shape_of(tree_.path(node));
  if (shape.empty()) return;
  const Node last = shapes_.find(shape);
  --shapes_.value(last).filters;
  shapes_.prune(last);
}

std::size_t SubscriptionTree::search_added(std::string_view filter) const {
  const std::string shape = shape_of(filter);
  if (shape.empty()) return 0;
  std::size_t added = 0;
  Node node = LevelTree<Count>::kRoot;
  mqtt::Levels levels(shape);
  for (std::string_view level; levels.next(level);) {
    if (node != kNone) node = shapes_.child(node, shapes_.names().find(level));
    if (node == kNone) ++added;
  }
  return added;
}

void SubscriptionTree::shrink() {
  while (!entries_.empty() && !entries_.back().subscriber) entries_.pop_back();
  entries_.shrink_to_fit();
  free_ = kNone;
  for (std::size_t i = entries_.size(); i-- > 0;) {
    if (entries_[i].subscriber) continue;
    entries_[i].next = free_;
    free_ = static_cast<Handle>(i);
  }
  tree_.shrink();
  shapes_.shrink();
  cache_ = std::vector<Cached>();  // `{}` would only clear it
  cache_weight_ = cache_text_ = cache_conflicts_ = 0;
  uncached_ = {};
  frontier_ = std::vector<Node>();
  next_frontier_ = std::vector<Node>();
  found_ = std::vector<Handle>();
}

// Finds the entries of all matching nodes, level by level: the frontier holds the nodes whose path
// matches the levels read so far.
void SubscriptionTree::collect(std::string_view topic) {
  found_.clear();
  match_work_ = 1;
  const auto take = [&](Node node) {
    for (Handle handle = tree_.value(node).handle; handle != kNone; handle = entries_[handle].next) {
      found_.push_back(handle);
    }
  };
  const bool dollar = mqtt::starts_with_dollar(topic);
  const LevelNames& names = tree_.names();
  frontier_.assign(1, LevelTree<First>::kRoot);
  mqtt::Levels levels(topic);
  bool first = true;
  for (std::string_view text; levels.next(text) && !frontier_.empty();) {
    const std::uint32_t level = names.find(text);
    const bool wildcards = !(first && dollar);  // MQTT-4.7.2-1
    first = false;
    next_frontier_.clear();
    match_work_ += frontier_.size();
    for (const Node node : frontier_) {
      if (wildcards && tree_.has_hash(node)) take(tree_.child(node, LevelNames::kHash));
      if (wildcards && tree_.has_plus(node)) next_frontier_.push_back(tree_.child(node, LevelNames::kPlus));
      const Node child = tree_.child(node, level);
      if (child != kNone) next_frontier_.push_back(child);
    }
    frontier_.swap(next_frontier_);
  }
  for (const Node node : frontier_) {
    take(node);
    if (tree_.has_hash(node)) take(tree_.child(node, LevelNames::kHash));  // the parent level (4.7.1.2)
  }
  match_work_ += found_.size();
}

// Makes one match per subscriber out of the entries found.
void SubscriptionTree::merge(Matches& matches) {
  matches.list.clear();
  matches.ids.clear();
  if (found_.size() > 1) {
    std::sort(found_.begin(), found_.end(), [&](Handle a, Handle b) {
      const std::less<> before;  // a total order, also over unrelated objects
      if (entries_[a].subscriber != entries_[b].subscriber) {
        return before(entries_[a].subscriber, entries_[b].subscriber);
      }
      return a < b;
    });
  }
  for (const Handle handle : found_) {
    const Entry& entry = entries_[handle];
    if (matches.list.empty() || matches.list.back().subscriber != entry.subscriber) {
      matches.list.push_back({.subscriber = entry.subscriber,
                              .first_id = static_cast<std::uint32_t>(matches.ids.size()),
                              .qos = static_cast<std::uint8_t>(entry.qos)});
    }
    Match& match = matches.list.back();
    match.qos = std::max(match.qos, static_cast<std::uint8_t>(entry.qos));
    match.retain_as_published |= entry.retain_as_published != 0;
    match.no_local |= entry.no_local != 0;
    if (entry.id != 0) {
      matches.ids.push_back(entry.id);
      ++match.id_count;
    }
  }
}

SubscriptionTree::Cached& SubscriptionTree::cached(std::string_view topic) {
  const std::size_t hash = hash_(topic);
  if (cache_.empty()) cache_.resize(kCacheSizeMin);
  Cached& slot = cache_[hash & (cache_.size() - 1)];
  if (slot.topic == topic || slot.generation != generation_) return slot;
  // A live result has to go. When that happens often the cache is too small.
  if (++cache_conflicts_ > cache_.size() && cache_.size() < kCacheSizeMax) {
    const std::size_t size = cache_.size() * 2;
    cache_ = std::vector<Cached>(size);
    cache_weight_ = cache_text_ = 0;
    cache_conflicts_ = 0;
    return cache_[hash & (size - 1)];
  }
  return slot;
}

const Matches& SubscriptionTree::match(std::string_view topic) {
  Cached& slot = cached(topic);
  match_work_ = 1;
  if (slot.generation == generation_ && slot.topic == topic) return slot.matches;
  collect(topic);
  if (cache_weight_ + found_.size() * 2 > kCacheWeightMax) {
    cache_weight_ = cache_text_ = 0;
    for (Cached& other : cache_) other = Cached{};
    if (found_.size() * 2 > kCacheWeightMax) {
      merge(uncached_);
      return uncached_;
    }
  }
  cache_weight_ -= slot.matches.weight();
  slot.generation = generation_;
  cache_text_ = cache_text_ - slot.topic.size() + topic.size();
  slot.topic.assign(topic);
  merge(slot.matches);
  cache_weight_ += slot.matches.weight();
  return slot.matches;
}

const Matches* SubscriptionTree::match_at(std::span<const Node> nodes) {
  found_.clear();
  for (const Node node : nodes) {
    Handle handle = tree_.has(node) ? tree_.value(node).handle : kNone;
    for (; handle != kNone; handle = entries_[handle].next) {
      if (found_.size() == kFew) return nullptr;
      found_.push_back(handle);
    }
  }
  match_work_ = 1 + found_.size();
  merge(uncached_);
  return &uncached_;
}

void SubscriptionTree::match_own(std::string_view topic, Subscriber* subscriber, Matches& matches) {
  collect(topic);
  std::erase_if(found_, [&](Handle handle) {
    return entries_[handle].subscriber != subscriber || entries_[handle].no_local != 0;
  });
  merge(matches);
}

}  // namespace shoal::topic
