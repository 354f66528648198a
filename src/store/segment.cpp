#include "store/segment.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "store/crc32c.hpp"

namespace shoal::store {
namespace {

constexpr std::string_view kMagic = "SHOALLOG";
constexpr std::string_view kSuffix = ".log";
constexpr std::size_t kDigits = 16;
// Between two batches that follow each other, when some are missing: what a segment can hold.
constexpr std::uint64_t kGapMax = 1u << 28;
// A payload may look like the starts of very many batches. How often the segment's bytes are gone through to find one.
constexpr std::uint64_t kChecksMax = 64;

// Numbers are little-endian.
template <class T>
void put(std::uint8_t* to, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) to[i] = static_cast<std::uint8_t>(value >> (8 * i));
}
template <class T>
T get(const std::uint8_t* from) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value |= static_cast<T>(from[i]) << (8 * i);
  return value;
}

}  // namespace

void encode(const SegmentHeader& header, std::uint8_t* to) {
  std::memcpy(to, kMagic.data(), 8);
  put(to + 8, header.version);
  put(to + 12, header.salt);
  put(to + 16, header.number);
  put(to + 24, header.created);
  put(to + 32, std::uint32_t{0});
  put(to + 36, crc32c(0, {to, 36}));
}

std::optional<SegmentHeader> decode_segment_header(base::Bytes bytes) {
  if (bytes.size() < kSegmentHeaderBytes || base::as_text(bytes.first(8)) != kMagic) return {};
  if (get<std::uint32_t>(&bytes[36]) != crc32c(0, bytes.first(36))) return {};
  SegmentHeader header;
  header.version = get<std::uint32_t>(&bytes[8]);
  header.salt = get<std::uint32_t>(&bytes[12]);
  header.number = get<std::uint64_t>(&bytes[16]);
  header.created = get<std::uint64_t>(&bytes[24]);
  return header;
}

std::string segment_name(std::uint64_t number) {
  char text[kDigits + 1];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(number));
  return text + std::string(kSuffix);
}

std::optional<std::uint64_t> segment_number(std::string_view name) {
  if (name.size() != kDigits + kSuffix.size() || !name.ends_with(kSuffix)) return {};
  name.remove_suffix(kSuffix.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number, 16);
  if (error != std::errc() || end != name.data() + name.size() || number == 0) return {};
  return number;
}

void seal_batch(std::span<std::uint8_t> batch, std::uint32_t salt, std::uint64_t number, WallMs at) {
  put(&batch[4], static_cast<std::uint32_t>(batch.size() - kBatchHeaderBytes));
  put(&batch[8], number);
  put(&batch[16], at);
  put(&batch[0], crc32c(salt, batch.subspan(4)));
}

BatchScanner::BatchScanner(base::Bytes segment, std::uint32_t salt, std::uint64_t first)
    : segment_(segment), salt_(salt), least_(std::max<std::uint64_t>(first, 1)), any_(first == 0) {}

bool BatchScanner::read(std::size_t offset, Batch& batch) {
  if (segment_.size() < kBatchHeaderBytes || offset > segment_.size() - kBatchHeaderBytes) return false;
  const std::uint8_t* const at = segment_.data() + offset;
  const auto length = get<std::uint32_t>(at + 4);
  const auto number = get<std::uint64_t>(at + 8);
  if (length == 0 || length > kBatchBytesMax || length > segment_.size() - offset - kBatchHeaderBytes) return false;
  if (number < least_ || (!any_ && number - least_ > kGapMax)) return false;
  if ((checked_ += length) > kChecksMax * segment_.size()) return false;
  if (get<std::uint32_t>(at) != crc32c(salt_, {at + 4, kBatchHeaderBytes - 4 + length})) return false;
  batch = {number, get<std::uint64_t>(at + 16), {at + kBatchHeaderBytes, length}, offset};
  return true;
}

bool BatchScanner::next(Batch& batch) {
  skipped_ = 0;
  for (std::size_t offset = end_; offset < segment_.size(); ++offset) {
    if (!read(offset, batch)) continue;
    skipped_ = offset - end_;
    end_ = offset + kBatchHeaderBytes + batch.records.size();
    least_ = batch.number + 1;
    any_ = false;
    return true;
  }
  skipped_ = segment_.size() - std::min(end_, segment_.size());
  return false;
}

}  // namespace shoal::store
