#include "topic/level_names.hpp"

#include <cassert>

namespace shoal::topic {
LevelNames::LevelNames(base::TextHash hash) : hash_(hash), slots_(8, kNone) {
  acquire("+");
  acquire("#");
}

std::size_t LevelNames::slot_of(std::string_view text, std::uint32_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = hash & mask;
  while (slots_[slot] != kNone) {
    const Name& name = names_[slots_[slot]];
    if (name.hash == hash && name.text.view() == text) break;
    slot = (slot + 1) & mask;
  }
  return slot;
}

std::uint32_t LevelNames::find(std::string_view text) const { return slots_[slot_of(text, hash_of(text))]; }

std::uint32_t LevelNames::acquire(std::string_view text) {
  const std::uint32_t hash = hash_of(text);
  std::size_t slot = slot_of(text, hash);
  if (slots_[slot] == kNone) {
    if ((used_ + 1) * 4 > slots_.size() * 3) {
      rehash(slots_.size() * 2);
      slot = slot_of(text, hash);
    }
    std::uint32_t id;
    if (free_.empty()) {
      id = static_cast<std::uint32_t>(names_.size());
      names_.emplace_back();
    } else {
      id = free_.back();
      free_.pop_back();
    }
    names_[id] = {base::CompactText(text), hash, 0};
    slots_[slot] = id;
    ++used_;
    text_bytes_ += text.size();
  }
  const std::uint32_t id = slots_[slot];
  ++names_[id].uses;
  return id;
}

void LevelNames::release(std::uint32_t id) {
  assert(names_[id].uses > 0);
  if (--names_[id].uses > 0) return;
  const std::size_t mask = slots_.size() - 1;
  std::size_t hole = slot_of(names_[id].text.view(), names_[id].hash);
  // Entries behind the hole move up unless that would put them before their home slot.
  for (std::size_t next = (hole + 1) & mask; slots_[next] != kNone; next = (next + 1) & mask) {
    const std::size_t home = names_[slots_[next]].hash & mask;
    if (((next - home) & mask) >= ((next - hole) & mask)) {
      slots_[hole] = slots_[next];
      hole = next;
    }
  }
  slots_[hole] = kNone;
  text_bytes_ -= names_[id].text.view().size();
  names_[id] = {};
  free_.push_back(id);
  --used_;
}

void LevelNames::shrink() {
  while (names_.back().uses == 0) names_.pop_back();  // the wildcards stay
  names_.shrink_to_fit();
  free_.clear();
  for (std::size_t id = names_.size(); id-- > 0;) {
    if (names_[id].uses == 0) free_.push_back(static_cast<std::uint32_t>(id));
  }
  free_.shrink_to_fit();
  std::size_t slots = 8;
  while (used_ * 2 > slots) slots *= 2;
  if (slots < slots_.size()) rehash(slots);
}

void LevelNames::rehash(std::size_t size) {
  std::vector<std::uint32_t> old(size, kNone);
  old.swap(slots_);
  for (const std::uint32_t id : old) {
    if (id == kNone) continue;
    slots_[slot_of(names_[id].text.view(), names_[id].hash)] = id;
  }
}

}  // namespace shoal::topic
