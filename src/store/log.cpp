#include "store/log.hpp"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

namespace shoal::store {
namespace {

// A piece of what waits is at most so large, so that written memory is given back soon.
constexpr std::size_t kPieceBytes = 4u << 20;
constexpr std::uint64_t kReserveMin = 8 * 1024;
constexpr std::uint64_t kReserveMax = 1u << 20;
constexpr std::size_t kSetAsideKept = 4;
// A segment that was filled in less, or in more milliseconds: the next one may have twice or half as much.
constexpr WallMs kFast = 2'000;
constexpr WallMs kLeisurely = 60'000;
constexpr std::uint64_t kSegmentMin = 256 * 1024;

using Clock = std::chrono::steady_clock;

bool no_space(Errno error) { return error == ENOSPC || error == EDQUOT; }

std::uint32_t random_salt() {
  std::uint32_t salt = 0;
  if (::getrandom(&salt, sizeof salt, GRND_NONBLOCK) != sizeof salt) {
    salt = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(&salt) >> 4) ^ 0x5ba17u;
  }
  return salt;
}

Error write_error(const std::string& path, Errno error) {
  const ErrorCode code = error == EACCES || error == EPERM || error == EROFS ? ErrorCode::permission_denied
                         : error == EMFILE || error == ENFILE                ? ErrorCode::resource_exhausted
                                                                             : ErrorCode::io;
  return {code, "the store " + path + " cannot be written: " + std::strerror(error)};
}

}  // namespace

Result<std::unique_ptr<Log>> Log::open(std::unique_ptr<Directory> directory, LogOptions options,
                                       const LogContent& content, WallMs now, Background* background) {
  assert(background || options.durability == Durability::process);
  std::unique_ptr<Log> log(new Log(std::move(directory), options, background));
  log->now_ = now;
  log->begun_at_ = now;
  log->segment_bytes_ = std::min(kSegmentMin, options.segment_bytes);
  if (const Errno error = log->resume(content)) {
    // A disk that is full or fails comes back; what will not be allowed tomorrow either is said now.
    if ((!no_space(error) && error != EIO) || log->segments_.empty()) return write_error(log->path(), error);
    log->failed(error);
  }
  log->committed_ = log->next_ - 1;
  return log;
}

// The segments that are there, and one to go on with.
Errno Log::resume(const LogContent& content) {
  std::vector<std::string> names;
  if (const Errno error = directory_->list(names)) return error;
  const auto is_damaged = [&](const std::string& name) {
    const auto& damages = content.report.damages;
    return std::any_of(damages.begin(), damages.end(), [&](const Damage& damage) { return damage.file == name; });
  };
  for (const std::string& name : names) {
    const auto number = segment_number(name);
    if (!number) continue;
    const auto found = std::find_if(content.segments.begin(), content.segments.end(),
                                    [&](const auto& segment) { return segment.header.number == *number; });
    if (found != content.segments.end()) continue;
    // What a process did not come to write the header of has nothing in it.
    if (is_damaged(name)) (void)set_aside(*number);
    else (void)directory_->remove(name);
  }
  for (const LogContent::Segment& segment : content.segments) {
    if (!segments_.empty()) fill_places(segment.header.number);
    segments_.push_back({segment.header.number, segment.size, segment.header.salt, is_damaged(segment.name)});
    bytes_ += segment.size;
    if (!segment.batches.empty()) next_ = segment.batches.back().number + 1;
  }
  last_segment_ = content.last_number;
  if (survives_power_cuts()) sync_older(content);
  Errno error = 0;
  if (!segments_.empty()) {
    Segment& last = segments_.back();
    const LogContent::Segment& found = content.segments.back();
    const bool whole = !last.damaged && last.number == content.last_number;
    const bool goes_on = whole && found.header.version == kFormatVersion;
    error = open_tail(last.number, last.salt, now_);
    if (found.whole < found.size && whole) {
      if (error == 0) error = tail_.file->truncate(found.whole);
    } else {
      // What is behind may be readable some day, and must not be taken for what comes now.
      next_ += (found.size - found.whole) / kBatchHeaderBytes;
    }
    if (error == 0 && survives_power_cuts()) {
      // A process may have ended before it could do that.
      tail_.synced = tail_.file->size();
      error = sync_tail();
    }
    if (error == 0 && whole) {
      bytes_ -= last.bytes - found.whole;
      last.bytes = found.whole;
      if (goes_on && last.bytes < options_.segment_bytes) {
        reserve();
        return 0;
      }
    }
    fill_places(last_segment_ + 1);
  }
  begin_segment();
  return open_tail(segments_.back().number, segments_.back().salt, now_);
}

// Who counts by place finds each of them, also those of which there is no file any more.
void Log::fill_places(std::uint64_t end) {
  for (std::uint64_t number = segments_.back().number + 1; number < end; ++number)
    segments_.push_back({.number = number});
}

// What was promised less before is to survive a power cut from now on.
void Log::sync_older(const LogContent& content) {
  for (std::size_t i = 0; i + 1 < content.segments.size(); ++i) {
    std::unique_ptr<File> file;
    if (directory_->open(content.segments[i].name, file) == 0) (void)file->sync();
  }
}

Log::~Log() {
  on_commit_ = nullptr;
  closing_ = true;
  while (running_ || removing_ || reading_ != 0) background_->finish();
  if (!waiting_.empty()) write_here();
  if (tail_.file) (void)tail_.file->truncate(tail_.file->size());
}

void Log::begin_segment() {
  // Small ones where little is written: what is dead in them goes sooner.
  const WallMs took = now_ - std::min(now_, begun_at_);
  if (took < kFast) segment_bytes_ = std::min(segment_bytes_ * 2, options_.segment_bytes);
  else if (took > kLeisurely)
    segment_bytes_ = std::min(std::max(segment_bytes_ / 2, kSegmentMin), options_.segment_bytes);
  begun_at_ = now_;
  segments_.push_back({++last_segment_, kSegmentHeaderBytes, random_salt(), false});
  bytes_ += kSegmentHeaderBytes;
  removal_failed_ = false;
}

// Another process may look at the file, but nobody reads it before it is needed.
Errno Log::set_aside(std::uint64_t segment) {
  const std::string name = segment_name(segment);
  if (const Errno error = directory_->rename(name, name + std::string(kSetAside))) return error;
  std::vector<std::string> names;
  if (directory_->list(names) != 0) return 0;
  std::erase_if(names, [](const std::string& each) { return !each.ends_with(kSetAside); });
  std::sort(names.begin(), names.end());
  for (std::size_t i = 0; i + kSetAsideKept < names.size(); ++i) (void)directory_->remove(names[i]);
  return 0;
}

void Log::end_batch(WallMs now) {
  if (batch_.empty()) return;
  now_ = now;
  Segment& segment = segments_.back();
  const std::span<std::uint8_t> bytes = batch_.bytes();
  const std::uint64_t number = next_++;
  seal_batch(bytes, segment.salt, number, now);
  segment.bytes += bytes.size();
  bytes_ += bytes.size();
  const bool now_here = here() && waiting_.empty() && !running_;
  Errno error = 0;
  if (now_here) {
    const Clock::time_point before = Clock::now();
    error = write(segment.number, segment.salt, bytes, now);
    slow_ = background_ && Clock::now() - before > options_.slow;
  }
  if (now_here && error == 0) {
    committed_ = number;
    error_ = 0;
    full_ = tail_.full;
  } else {
    wait(segment, number, bytes);
    if (error != 0) failed(error);
    else if (error_ == 0) write_behind();
  }
  batch_.clear();
  if (segment.bytes >= segment_bytes_) begin_segment();
  remove_dropped();
}

// Behind what waits already.
void Log::wait(const Segment& segment, std::uint64_t number, base::Bytes bytes) {
  if (waiting_.empty() || waiting_.back().segment != segment.number ||
      waiting_.back().bytes.size() + bytes.size() > kPieceBytes) {
    waiting_.push_back({segment.number, segment.salt, now_, number, {}});
  }
  Piece& piece = waiting_.back();
  piece.bytes.insert(piece.bytes.end(), bytes.begin(), bytes.end());
  piece.last = number;
  waiting_bytes_ += bytes.size();
}

// Before it leaves the one it has for another, that one has to be synced where it matters.
Errno Log::open_tail(std::uint64_t segment, std::uint32_t salt, WallMs now) {
  if (tail_.segment == segment && tail_.file) return 0;
  if (tail_.file) (void)tail_.file->truncate(tail_.file->size());
  Tail next{.segment = segment, .file = nullptr, .last_write = tail_.last_write, .can_reserve = tail_.can_reserve};
  const std::string name = segment_name(segment);
  Errno error = directory_->create(name, next.file);
  if (error == EEXIST) error = directory_->open(name, next.file);
  if (error != 0) return error;
  if (next.file->size() < kSegmentHeaderBytes) {
    std::array<std::uint8_t, kSegmentHeaderBytes> header;
    encode({.salt = salt, .number = segment, .created = now}, header.data());
    error = next.file->truncate(0);
    if (error == 0) error = next.file->append(header);
  } else {
    next.synced = next.file->size();
  }
  // An attempt before this one may have made the file and not come so far.
  if (error == 0 && survives_power_cuts()) error = directory_->sync();
  if (error != 0) return error;
  tail_ = std::move(next);
  reserve();
  return 0;
}

void Log::close_tail() { tail_ = {.file = nullptr, .can_reserve = tail_.can_reserve}; }

Errno Log::sync_tail() {
  const Errno error = tail_.file->sync();
  if (error == 0) {
    tail_.synced = tail_.file->size();
    return 0;
  }
  // The system forgets what it could not write, and the next sync would succeed without it: all that was not synced
  // is written again, the header too.
  (void)tail_.file->truncate(tail_.synced);
  close_tail();
  return error;
}

Errno Log::write(std::uint64_t segment, std::uint32_t salt, base::Bytes bytes, WallMs now) {
  if (const Errno error = open_tail(segment, salt, now)) return error;
  File& file = *tail_.file;
  const std::uint64_t before = file.size();
  if (const Errno error = file.append(bytes)) {
    // When this fails, too, what comes behind is found all the same.
    (void)file.truncate(before);
    tail_.reserved = 0;
    return error;
  }
  tail_.last_write = bytes.size();
  if (file.size() + kReserveMin > tail_.reserved) reserve();
  return 0;
}

// Room for what has to be written when the disk is full: that messages are gone. And for `least`: whether there was.
bool Log::reserve(std::uint64_t least) {
  if (!tail_.can_reserve) return true;
  const std::uint64_t size = tail_.file->size();
  const auto take = [&](std::uint64_t wanted) {
    const Errno error = tail_.file->reserve(wanted);
    if (error == 0) tail_.reserved = size + wanted;
    else if (!no_space(error)) tail_.can_reserve = false;
    return !no_space(error);
  };
  const std::uint64_t needed = std::clamp(size / 4, 2 * kReserveMin, kReserveMax);
  // So much that it lasts for some writes.
  const std::uint64_t usual = std::max(needed, std::min(8 * tail_.last_write, kReserveMax));
  if (least > usual && (take(least + usual) || take(least))) {
    tail_.full = false;
    return true;
  }
  tail_.full = !take(usual) && !take(needed);
  return !tail_.full && (!tail_.can_reserve || size + least <= tail_.reserved);
}

// The file belongs to the background where that writes, so there it goes by what the last write has seen.
bool Log::admits(std::uint64_t bytes) {
  if (full()) return false;
  const std::uint64_t needed = waiting_bytes_ + batch_.size() + bytes + kReserveMin;
  if (running_ || !here()) return needed <= room_;
  if (!tail_.file || tail_.segment != segments_.back().number || !tail_.can_reserve) return true;
  if (tail_.file->size() + needed <= tail_.reserved) return true;
  const bool there = reserve(needed);
  full_ = tail_.full;
  return there;
}

// As many as possible. Those that cannot be relied on are written again later; where they are there already, the reader
// leaves out what it knows.
Log::Written Log::write_all(const std::deque<Piece>& pieces) {
  Written result;
  std::size_t done = 0;
  for (; done < pieces.size(); ++done) {
    const Piece& piece = pieces[done];
    if (survives_power_cuts() && result.pieces < done && tail_.segment != piece.segment) {
      if ((result.error = sync_tail()) != 0) return result;
      result.pieces = done;
    }
    if ((result.error = write(piece.segment, piece.salt, piece.bytes, piece.at)) != 0) break;
  }
  if (survives_power_cuts() && result.pieces < done) {
    if (const Errno error = sync_tail()) return {.error = error, .pieces = result.pieces};
  }
  result.pieces = done;
  const File* const file = tail_.file.get();
  if (file) result.room = file->room();
  if (file && result.room != kUnknown) result.room += tail_.reserved - std::min(tail_.reserved, file->size());
  return result;
}

void Log::write_here() {
  writing_.swap(waiting_);
  wrote(write_all(writing_));
}

void Log::write_behind() {
  if (running_ || waiting_.empty()) return;
  running_ = true;
  writing_.swap(waiting_);
  auto result = std::make_shared<Written>();
  const auto work = [this, result] {
    const Clock::time_point before = Clock::now();
    *result = write_all(writing_);
    result->slow = Clock::now() - before > options_.slow;
  };
  background_->run(work, [this, result] {
    running_ = false;
    slow_ = result->slow;
    wrote(*result);
    if (error_ == 0) write_behind();
    remove_dropped();
    if (result->pieces > 0 && on_commit_) on_commit_();
  });
}

void Log::wrote(Written written) {
  full_ = tail_.full;
  room_ = written.room;
  for (; written.pieces > 0; --written.pieces, writing_.pop_front()) {
    committed_ = writing_.front().last;
    waiting_bytes_ -= writing_.front().bytes.size();
  }
  for (; !writing_.empty(); writing_.pop_back()) waiting_.push_front(std::move(writing_.back()));
  error_ = 0;
  if (written.error != 0) failed(written.error);
}

void Log::failed(Errno error) {
  error_ = error;
  ++errors_;
  if (no_space(error)) full_ = true;
}

void Log::retry() {
  read_error_ = 0;
  for (const auto& reading : std::exchange(put_off_, {})) start_reading(reading);
  if (running_) return;
  removal_failed_ = false;
  if (waiting_.empty()) {
    error_ = 0;
    if (const Errno error = open_tail(segments_.back().number, segments_.back().salt, now_)) return failed(error);
    reserve();
    full_ = tail_.full;
  } else if (!here()) {
    error_ = 0;
    return write_behind();
  } else {
    write_here();
  }
  remove_dropped();
}

bool Log::damaged() const {
  return std::any_of(segments_.begin(), std::prev(segments_.end()), [](const Segment& each) { return each.damaged; });
}

void Log::drop_oldest(std::uint64_t number) {
  assert(segments_.size() > 1);
  const Segment& oldest = segments_.front();
  dropped_.push_back({oldest.number, number, oldest.damaged});
  bytes_ -= oldest.bytes;
  segments_.pop_front();
  remove_dropped();
}

// One after the other: an older segment that is still there would bring back what a newer one, gone already, had ended.
void Log::remove_dropped() {
  while (!removing_ && !removal_failed_ && !dropped_.empty() && dropped_.front().after <= committed_) {
    const Dropped dropped = dropped_.front();
    if (!running_ && tail_.segment == dropped.segment) close_tail();
    if (!background_) {
      removed(remove(dropped));
      continue;
    }
    removing_ = true;
    auto result = std::make_shared<Errno>(0);
    background_->run([this, dropped, result] { *result = remove(dropped); },
                     [this, result] {
                       removing_ = false;
                       removed(*result);
                       remove_dropped();
                     });
  }
}

Errno Log::remove(const Dropped& dropped) {
  Errno error = dropped.damaged ? set_aside(dropped.segment) : directory_->remove(segment_name(dropped.segment));
  // It was removed the last time, when only the sync failed.
  if (error == ENOENT) error = 0;
  if (error == 0 && survives_power_cuts()) error = directory_->sync();
  return error;
}

void Log::removed(Errno error) {
  removal_failed_ = error != 0;
  if (error == 0) dropped_.pop_front();
  else ++errors_;
}

void Log::read(std::vector<Wanted> wanted, std::function<void(std::vector<Body>)> done) {
  auto reading = std::make_shared<Reading>();
  reading->done = std::move(done);
  for (const Wanted& each : wanted) {
    const auto behind = static_cast<Place>(each.place - oldest());
    reading->wanted.push_back({behind < segments_.size() ? segments_[behind].number : 0, each});
  }
  start_reading(reading);
}

void Log::start_reading(const std::shared_ptr<Reading>& reading) {
  const auto work = [this, reading] { reading->error = read_back(*directory_, reading->wanted, reading->bodies); };
  if (!background_) {
    work();
    return has_read(reading);
  }
  ++reading_;
  background_->run(work, [this, reading] {
    --reading_;
    has_read(reading);
  });
}

void Log::has_read(const std::shared_ptr<Reading>& reading) {
  if (closing_) return;
  if (reading->error == 0) return reading->done(std::move(reading->bodies));
  read_error_ = reading->error;
  ++errors_;
  put_off_.push_back(reading);
}

Result<void> Log::flush() {
  end_batch(now_);
  while (running_) background_->finish();
  if (!waiting_.empty()) write_here();
  if (committed_ + 1 == next_) return {};
  return write_error(path(), error_);
}

std::string Log::trouble() const {
  if (error_ != 0) return std::strerror(error_);
  if (full_) return "no room left to reserve on the disk";
  return read_error_ != 0 ? std::strerror(read_error_) : "";
}

}  // namespace shoal::store
