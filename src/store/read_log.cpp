#include <algorithm>
#include <cerrno>
#include <cstring>

#include "store/log.hpp"

// Reading a log, whole or damaged.

namespace shoal::store {
namespace {

// Parts that cannot be read, of all segments together, before a whole segment counts as one.
constexpr unsigned kUnreadableMax = 1000;

class Reader {
 public:
  explicit Reader(Directory& directory) : directory_(directory) {}

  Result<LogContent> read() {
    std::vector<std::string> names;
    if (const Errno error = directory_.list(names)) return failed("", error);
    std::vector<std::uint64_t> numbers;
    for (const std::string& name : names) {
      if (const auto number = segment_number(name)) numbers.push_back(*number);
    }
    std::sort(numbers.begin(), numbers.end());
    for (const std::uint64_t number : numbers) {
      if (auto ok = read_segment(number, number == numbers.back()); !ok) return std::move(ok).error();
    }
    return std::move(content_);
  }

 private:
  Error failed(const std::string& file, Errno error) const {
    return {ErrorCode::io, "the store " + directory_.path() + " cannot be read" + (file.empty() ? "" : ": " + file) +
                               ": " + std::strerror(error)};
  }
  void damage(const std::string& file, std::string what) { content_.report.damages.push_back({file, std::move(what)}); }

  // What can be read of it; a part that cannot is damage. False: nothing of it can.
  Result<bool> load(const std::string& name, LogContent::Segment& segment) {
    std::unique_ptr<File> file;
    Errno error = directory_.open(name, file);
    if (is_damage(error)) error = directory_.open(name, file);
    // Somebody else's store, who removed it meanwhile.
    if (error == ENOENT) return false;
    if (error == 0) {
      const std::size_t size = file->size();
      segment.memory = std::make_unique_for_overwrite<std::uint8_t[]>(size);
      error = read_parts(*file, name, segment, size);
    }
    if (error == 0) return true;
    // It may be possible tomorrow, and must not be taken for lost then.
    if (!is_damage(error)) return failed(name, error);
    damage(name, std::string("cannot be read: ") + std::strerror(error));
    return false;
  }

  Errno read_parts(const File& file, const std::string& name, LogContent::Segment& segment, std::size_t size) {
    constexpr std::size_t kPart = 64 * 1024;
    constexpr std::size_t kSmallPart = 4096;  // what is tried again when a large one fails
    std::size_t small_until = 0;
    while (segment.size < size) {
      const std::span<std::uint8_t> part(
          segment.memory.get() + segment.size,
          std::min(segment.size < small_until ? kSmallPart : kPart, size - segment.size));
      std::size_t got = 0;
      const Errno error = file.read(segment.size, part, got);
      if (error == 0 && got == 0) break;
      if (error != 0) {
        if (!is_damage(error)) return error;
        if (segment.size >= small_until) {
          small_until = segment.size + part.size();
          continue;
        }
        // Behind a part that is gone there may be others.
        if (++unreadable_ >= kUnreadableMax) return error;
        std::memset(part.data(), 0, part.size());
        got = part.size();
        damage(name, "bytes " + std::to_string(segment.size) + " to " + std::to_string(segment.size + got) +
                         " cannot be read: " + std::strerror(error));
      }
      segment.size += got;
    }
    return 0;
  }

  Result<void> read_segment(std::uint64_t number, bool last) {
    const std::string name = segment_name(number);
    LogReport& report = content_.report;
    content_.last_number = number;
    LogContent::Segment segment;
    segment.name = name;
    auto loaded = load(name, segment);
    if (!loaded) return std::move(loaded).error();
    if (!*loaded) return {};
    ++report.segments;
    report.bytes += segment.size;
    const base::Bytes bytes(segment.memory.get(), segment.size);
    const auto header = decode_segment_header(bytes);
    if (!header) {
      // Its process ended, or the power went, while it made the file.
      const bool zeros = std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
      if (last && (segment.size < kSegmentHeaderBytes || zeros)) report.torn_bytes += segment.size;
      else damage(name, "has no header of a segment; nothing in it is used");
      return {};
    }
    if (header->version > kFormatVersion) {
      return Error{ErrorCode::unavailable, "the store " + directory_.path() + " was written by a newer Shoal (" + name +
                                               " has format " + std::to_string(header->version) +
                                               ", this one reads up to " + std::to_string(kFormatVersion) +
                                               "); start it with that version"};
    }
    if (header->number != number) {
      damage(name, "is the segment " + segment_name(header->number) + " by its header; nothing in it is used");
      return {};
    }
    segment.header = *header;
    scan(segment, bytes, last);
    content_.segments.push_back(std::move(segment));
    return {};
  }

  void scan(LogContent::Segment& segment, base::Bytes bytes, bool last) {
    LogReport& report = content_.report;
    BatchScanner scanner(bytes, segment.header.salt, started_ ? next_ : 0);
    Batch batch;
    while (scanner.next(batch)) {
      // Leftovers of a write that failed and was done again are no loss.
      if (started_ && batch.number != next_) {
        const std::uint64_t missing = batch.number - next_;
        report.missing_batches += missing;
        const std::string what = std::to_string(missing) + (missing == 1 ? " batch " : " batches ");
        // They may have been the last ones of the segment before this.
        if (segment.batches.empty() && scanner.skipped() == 0 && behind_ > 0) damage_behind(what);
        else damage(segment.name, what + "before byte " + std::to_string(batch.offset) + " cannot be read");
      } else if (!started_ && scanner.skipped() > 0) {
        damage(segment.name, std::to_string(scanner.skipped()) + " bytes before byte " + std::to_string(batch.offset) +
                                 " cannot be read");
      }
      started_ = true;
      next_ = batch.number + 1;
      ++report.batches;
      segment.batches.push_back(batch);
    }
    // Nothing tells whether these were batches. A segment is begun when the one before is whole.
    if (last && segment.batches.empty() && behind_ > 0) damage_behind(std::to_string(behind_) + " bytes ");
    segment.whole = scanner.end();
    behind_ = scanner.skipped();
    if (last) report.torn_bytes += scanner.skipped();
  }

  // At the end of the segment before.
  void damage_behind(const std::string& what) {
    const LogContent::Segment& before = content_.segments.back();
    damage(before.name, what + "behind byte " + std::to_string(before.whole) + " cannot be read");
  }

  Directory& directory_;
  LogContent content_;
  std::uint64_t next_ = 1;  // number of the batch that should follow
  bool started_ = false;    // the first batch may have any number
  std::size_t behind_ = 0;  // bytes behind the last batch of the segment before
  unsigned unreadable_ = 0;
};

}  // namespace

Result<LogContent> read_log(Directory& directory) { return Reader(directory).read(); }

}  // namespace shoal::store
