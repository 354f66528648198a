#pragma once

#include <cstdint>
#include <vector>

namespace shoal::session {

/// A set of packet identifiers (not 0): two bytes a slot, nothing when it was never used.
class PacketIdSet {
 public:
  bool contains(std::uint16_t id) const { return !slots_.empty() && slots_[find(id)] == id; }
  std::size_t size() const { return size_; }

  /// Calls `visit(id)` for each. The set must not change meanwhile.
  template <class Visit>
  void each(Visit visit) const {
    for (const std::uint16_t id : slots_) {
      if (id != 0) visit(id);
    }
  }

  /// False when it was there.
  bool insert(std::uint16_t id) {
    if ((size_ + 1) * 2 > slots_.size()) grow();
    const std::size_t slot = find(id);
    if (slots_[slot] == id) return false;
    slots_[slot] = id;
    ++size_;
    return true;
  }

  /// False when it was not there.
  bool erase(std::uint16_t id) {
    if (slots_.empty()) return false;
    std::size_t hole = find(id);
    if (slots_[hole] != id) return false;
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t next = (hole + 1) & mask; slots_[next] != 0; next = (next + 1) & mask) {
      if (((next - home(slots_[next])) & mask) >= ((next - hole) & mask)) {
        slots_[hole] = slots_[next];
        hole = next;
      }
    }
    slots_[hole] = 0;
    --size_;
    return true;
  }

 private:
  std::size_t home(std::uint16_t id) const { return id & (slots_.size() - 1); }
  std::size_t find(std::uint16_t id) const {
    std::size_t slot = home(id);
    while (slots_[slot] != 0 && slots_[slot] != id) slot = (slot + 1) & (slots_.size() - 1);
    return slot;
  }
  void grow() {
    std::vector<std::uint16_t> old(slots_.empty() ? 16 : slots_.size() * 2, 0);
    old.swap(slots_);
    for (const std::uint16_t id : old) {
      if (id != 0) slots_[find(id)] = id;
    }
  }

  std::vector<std::uint16_t> slots_;
  std::size_t size_ = 0;
};

}  // namespace shoal::session
