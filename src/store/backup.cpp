#include "store/backup.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <variant>

#include "base/unique_fd.hpp"
#include "store/snapshot.hpp"
#include "store/tell.hpp"

namespace shoal::store {
namespace {

// What is lost at most when a part of the file, or of the store it becomes, cannot be read.
constexpr std::size_t kBatchBytes = 16 * 1024;
// A store may begin to be written to again while it is read, and what is cut and replaced then looks damaged once.
constexpr int kReadsMax = 3;

ErrorCode code_of(Errno error) {
  switch (error) {
    case EACCES:
    case EPERM:
    case EROFS: return ErrorCode::permission_denied;
    case ENOENT: return ErrorCode::not_found;
    default: return ErrorCode::io;
  }
}

Error backup_error(const std::string& file, const char* what, Errno error) {
  return {code_of(error), "the backup " + file + " cannot be " + what + ": " + std::strerror(error)};
}

std::string folder_of(const std::string& file) {
  const std::string folder = std::filesystem::path(file).parent_path().string();
  return folder.empty() ? "." : folder;
}

Errno write_all(int fd, base::Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return 0;
}

/// Writes batches into a file, as long as all goes well.
class BackupWriter {
 public:
  BackupWriter(int fd, std::uint32_t salt, WallMs at) : fd_(fd), salt_(salt), at_(at), writer_(kBatchHeaderBytes) {}

  Errno run(const Image& image, WallMs now) {
    std::array<std::uint8_t, kSegmentHeaderBytes> header;
    encode({.salt = salt_, .number = 1, .created = now}, header.data());
    write(header);
    tell(image, writer_, kBatchBytes, [this] { end_batch(); });
    end_batch();
    writer_.put(Alive{});
    end_batch();
    if (error_ == 0 && ::fsync(fd_) != 0) error_ = errno;
    return error_;
  }
  std::uint64_t size() const { return size_; }

 private:
  void write(base::Bytes bytes) {
    if (error_ == 0) error_ = write_all(fd_, bytes);
    size_ += bytes.size();
  }
  void end_batch() {
    if (writer_.empty()) return;
    seal_batch(writer_.bytes(), salt_, ++number_, at_);
    write(writer_.bytes());
    writer_.clear();
  }

  int fd_;
  std::uint32_t salt_;
  WallMs at_;
  RecordWriter writer_;
  std::uint64_t number_ = 0;
  std::uint64_t size_ = 0;
  Errno error_ = 0;
};

// Whoever mistypes a name loses nothing but another backup.
Result<void> check_place(const std::string& file) {
  const auto no = [&](const std::string& why) {
    return Error{ErrorCode::invalid_argument, file + ' ' + why + "; choose another name for the backup"};
  };
  if (segment_number(std::filesystem::path(file).filename().string())) return no("is how a store names its own files");
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return backup_error(file, "written", errno);
  }
  if (!S_ISREG(status.st_mode)) return no("is not a regular file");
  const base::UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return backup_error(file, "written", errno);
  std::array<std::uint8_t, kSegmentHeaderBytes> header;
  const ssize_t got = ::read(fd.get(), header.data(), header.size());
  if (got != 0 && !decode_segment_header(base::Bytes(header).first(got > 0 ? static_cast<std::size_t>(got) : 0))) {
    return no("exists and is not a backup");
  }
  return {};
}

bool is_end(const Batch& batch) {
  RecordReader reader(batch.records);
  Record record;
  return reader.next(record) && std::holds_alternative<Alive>(record) && !reader.next(record) && !reader.malformed();
}

// What read_log does not mind at the end of a log.
std::string find_missing(const LogContent& content) {
  if (content.segments.empty()) return content.report.damages.empty() ? "has no header: it is not a backup" : "";
  const LogContent::Segment& segment = content.segments.front();
  if (segment.header.number != 1) return "is a part of a store, not a backup";
  if (segment.batches.empty() || !is_end(segment.batches.back())) return "has no end: a part of it is missing";
  if (segment.whole < segment.size) {
    return "has " + std::to_string(segment.size - segment.whole) + " bytes behind its end";
  }
  return "";
}

}  // namespace

Reading comes_to(LogContent content) {
  Reading reading;
  reading.content = std::move(content);
  for (const LogContent::Segment& segment : reading.content.segments) {
    for (const Batch& batch : segment.batches) {
      if (!reading.image.apply_all(batch.records, segment.header.number, batch.offset + kBatchHeaderBytes)) {
        reading.content.report.damages.push_back(
            {segment.name, "the batch at byte " + std::to_string(batch.offset) + " has a record that is none"});
      }
      reading.alive_until = std::max(reading.alive_until, batch.at);
    }
  }
  reading.missing = reading.image.finish();
  return reading;
}

Result<LogContent> read_running(Directory& directory) {
  for (int reads = 1;; ++reads) {
    Snapshot snapshot(directory.path());
    if (const Errno error = snapshot.take(directory)) {
      return Error{code_of(error), "the store " + directory.path() + " cannot be read: " + std::strerror(error)};
    }
    auto content = read_log(snapshot);
    if (!content || content->report.damages.empty() || reads == kReadsMax) return content;
  }
}

Result<LogContent> read_running(const std::string& path) {
  auto directory = read_directory(path);
  if (!directory) return std::move(directory).error();
  return read_running(**directory);
}

Result<std::uint64_t> write_backup(const Image& image, WallMs alive_until, WallMs now, const std::string& file) {
  if (auto ok = check_place(file); !ok) return std::move(ok).error();
  std::uint32_t salt = 0;
  if (::getrandom(&salt, sizeof salt, 0) != sizeof salt) return backup_error(file, "written", errno);
  std::string temporary = file + ".XXXXXX";
  const base::UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return backup_error(file, "written", errno);
  BackupWriter writer(fd.get(), salt, alive_until);
  Errno error = writer.run(image, now);
  if (error == 0 && ::rename(temporary.c_str(), file.c_str()) != 0) error = errno;
  if (error != 0) {
    ::unlink(temporary.c_str());
    return backup_error(file, "written", error);
  }
  // Without that the name may be gone after a power cut; a file system that cannot say so is not an error.
  if (const auto folder = read_directory(folder_of(file))) (void)(*folder)->sync();
  return writer.size();
}

Result<LogContent> read_backup(const std::string& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return backup_error(file, "read", errno);
  if (!S_ISREG(status.st_mode)) return backup_error(file, "read", S_ISDIR(status.st_mode) ? EISDIR : EINVAL);
  const auto folder = read_directory(folder_of(file));
  if (!folder) return backup_error(file, "read", EACCES);
  std::unique_ptr<File> opened;
  const std::string name = std::filesystem::path(file).filename().string();
  if (const Errno error = (*folder)->open(name, opened)) return backup_error(file, "read", error);

  std::array<std::uint8_t, kSegmentHeaderBytes> bytes;
  std::size_t got = 0;
  if (const Errno error = opened->read(0, bytes, got)) return backup_error(file, "read", error);
  const auto header = decode_segment_header(base::Bytes(bytes).first(got));
  if (header && header->version > kFormatVersion) {
    return Error{ErrorCode::unavailable, "the backup " + file + " was written by a newer Shoal (it has format " +
                                             std::to_string(header->version) + ", this one reads up to " +
                                             std::to_string(kFormatVersion) + "); use that version"};
  }
  Snapshot snapshot(file);
  snapshot.take(header && header->number != 0 ? header->number : 1, std::move(opened));
  auto content = read_log(snapshot);
  if (!content) return content;
  if (std::string missing = find_missing(*content); !missing.empty()) {
    content->report.damages.push_back({file, std::move(missing)});
  }
  for (Damage& damage : content->report.damages) damage.file = file;
  for (LogContent::Segment& segment : content->segments) segment.name = file;
  return content;
}

}  // namespace shoal::store
