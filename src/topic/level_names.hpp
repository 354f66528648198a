#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/compact_text.hpp"
#include "base/text_hash.hpp"

namespace shoal::topic {

/// Interns the levels of names and filters: equal text, equal number. Counted, so that a level goes
/// when its last user does. A resource of one thread.
class LevelNames {
 public:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  static constexpr std::uint32_t kPlus = 0;  ///< always there
  static constexpr std::uint32_t kHash = 1;  ///< always there

  explicit LevelNames(base::TextHash hash = base::TextHash());

  /// Number of `text`, or `kNone`.
  std::uint32_t find(std::string_view text) const;
  /// Number of `text`, made when missing; one more use.
  std::uint32_t acquire(std::string_view text);
  /// One use less.
  void release(std::uint32_t id);

  std::string_view text(std::uint32_t id) const { return names_[id].text.view(); }
  std::size_t size() const { return used_; }
  /// Gives back what it took when there were more. Numbers stay.
  void shrink();
  /// Memory: entries and the texts they own.
  std::size_t bytes() const { return used_ * (sizeof(Name) + 2 * sizeof(std::uint32_t)) + text_bytes_; }

 private:
  struct Name {
    base::CompactText text;
    std::uint32_t hash = 0;
    std::uint32_t uses = 0;
  };

  std::uint32_t hash_of(std::string_view text) const {
    const std::uint64_t hash = hash_(text);
    return static_cast<std::uint32_t>(hash ^ hash >> 32);
  }
  std::size_t slot_of(std::string_view text, std::uint32_t hash) const;
  void rehash(std::size_t size);

  base::TextHash hash_;
  std::vector<Name> names_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> slots_;  // open addressing, a power of two; kNone is empty
  std::size_t used_ = 0;
  std::size_t text_bytes_ = 0;
};

}  // namespace shoal::topic
