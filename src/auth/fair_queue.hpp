#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>

namespace shoal::auth {

/// A queue in which owners take turns: each `pop` serves the next owner that has something, in the
/// order they came; within an owner first in, first out. One thread at a time.
template <class Owner, class Item>
class FairQueue {
 public:
  /// False, and nothing changes, when the owner has `limit` items queued.
  bool push(const Owner& owner, Item item, std::size_t limit) {
    if (limit == 0) return false;
    auto& items = items_[owner];
    if (items.size() >= limit) return false;
    if (items.empty()) turns_.push_back(owner);
    items.push_back(std::move(item));
    ++size_;
    return true;
  }

  std::optional<std::pair<Owner, Item>> pop() {
    if (turns_.empty()) return {};
    const Owner owner = std::move(turns_.front());
    turns_.pop_front();
    const auto found = items_.find(owner);
    std::pair<Owner, Item> result(owner, std::move(found->second.front()));
    found->second.pop_front();
    --size_;
    if (found->second.empty()) items_.erase(found);
    else turns_.push_back(owner);
    return result;
  }

  /// Takes everything of one owner out.
  std::deque<Item> remove(const Owner& owner) {
    std::deque<Item> result;
    const auto found = items_.find(owner);
    if (found == items_.end()) return result;
    result = std::move(found->second);
    items_.erase(found);
    std::erase(turns_, owner);
    size_ -= result.size();
    return result;
  }

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

 private:
  std::unordered_map<Owner, std::deque<Item>> items_;  ///< only owners that have some
  std::deque<Owner> turns_;
  std::size_t size_ = 0;
};

}  // namespace shoal::auth
