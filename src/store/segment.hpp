#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "store/record.hpp"

// A log is a row of files, its segments: a header each, then batches. A batch has the records of what happened in one
// turn; it counts as a whole or not at all. docs/formats/store.md has the bytes.

namespace shoal::store {

/// Of the bytes on disk. A newer one is refused, older ones are read and go as their segments are cleared.
inline constexpr std::uint32_t kFormatVersion = 2;

struct SegmentHeader {
  std::uint32_t version = kFormatVersion;
  std::uint32_t salt = 0;  ///< checksums of the batches start from it, so that no client can make one
  std::uint64_t number = 0;
  WallMs created = 0;

  bool operator==(const SegmentHeader&) const = default;
};

inline constexpr std::size_t kSegmentHeaderBytes = 40;
inline constexpr std::size_t kBatchHeaderBytes = 24;
/// Of a batch's records.
inline constexpr std::uint32_t kBatchBytesMax = 1u << 30;

/// `to` has `kSegmentHeaderBytes`.
void encode(const SegmentHeader& header, std::uint8_t* to);
/// Nothing when the start of `bytes` is no header of any version.
std::optional<SegmentHeader> decode_segment_header(base::Bytes bytes);

/// `0000000000000001.log`
std::string segment_name(std::uint64_t number);
std::optional<std::uint64_t> segment_number(std::string_view name);
/// Ends the name of a segment that was set aside for being damaged.
inline constexpr std::string_view kSetAside = ".bad";

/// Fills in the header at the start of `batch`, whose records are behind it.
void seal_batch(std::span<std::uint8_t> batch, std::uint32_t salt, std::uint64_t number, WallMs at);

struct Batch {
  std::uint64_t number = 0;  ///< one more than that of the batch before
  WallMs at = 0;             ///< when it was ended
  base::Bytes records;
  std::size_t offset = 0;  ///< where it starts in the segment
};

/// Goes through the batches of a segment. Where one is damaged it looks for the next one that is whole. Pure.
class BatchScanner {
 public:
  /// `segment` is the whole file; `salt` from its header. Batches have at least the number `first`, and not
  /// far more; 0: any.
  BatchScanner(base::Bytes segment, std::uint32_t salt, std::uint64_t first);

  /// False: there is no more.
  bool next(Batch& batch);
  /// Bytes between the last batch (or the header) and this one, or the end, that are none.
  std::size_t skipped() const { return skipped_; }
  /// Behind the last whole batch.
  std::size_t end() const { return end_; }

 private:
  bool read(std::size_t offset, Batch& batch);

  base::Bytes segment_;
  std::uint32_t salt_;
  std::uint64_t least_;
  bool any_;                   // no number is known yet that they go on from
  std::uint64_t checked_ = 0;  // bytes that checksums were made of
  std::size_t end_ = kSegmentHeaderBytes;
  std::size_t skipped_ = 0;
};

}  // namespace shoal::store
