#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "store/directory.hpp"
#include "store/read_back.hpp"
#include "store/segment.hpp"
#include "store/store.hpp"

namespace shoal::store {

/// What a batch has to survive before it counts as committed.
enum class Durability {
  process,  ///< the end of the process, however sudden: it was written
  power,    ///< a power cut: it was written and synced
};

/// Runs what may block on another thread.
class Background {
 public:
  /// Calls `work` on some thread, then `done` on the owner's. In the order of calling, one at a time.
  virtual void run(std::function<void()> work, std::function<void()> done) = 0;
  /// Waits until all of that is over; what `done` would be called for now is called by it.
  virtual void finish() = 0;
  /// Nobody but the owner is served by the owner's thread: it may wait for a moment itself.
  virtual bool alone() const = 0;

 protected:
  ~Background() = default;
};

struct LogOptions {
  std::uint64_t segment_bytes = 8u << 20;  ///< at most; less while little is written
  Durability durability = Durability::process;
  /// After a write that took longer the next one is better not done on the instance's thread.
  std::chrono::nanoseconds slow = std::chrono::milliseconds(5);
};

/// A part of a log that could not be read.
struct Damage {
  std::string file;
  std::string what;  ///< one line for a person
};

/// What opening a log found.
struct LogReport {
  std::uint64_t segments = 0;
  std::uint64_t bytes = 0;
  std::uint64_t batches = 0;
  std::uint64_t torn_bytes = 0;  ///< of a batch that was being written when the process ended: cut off
  std::uint64_t missing_batches = 0;
  std::vector<Damage> damages;
};

/// A log as it was read. What batches refer to lives as long as this.
struct LogContent {
  struct Segment {
    std::string name;
    SegmentHeader header;
    std::unique_ptr<std::uint8_t[]> memory;
    std::size_t size = 0;
    std::size_t whole = 0;  ///< behind its last whole batch
    std::vector<Batch> batches;
  };

  std::vector<Segment> segments;  ///< by number; those that cannot be read at all are left out
  std::uint64_t last_number = 0;  ///< highest number of any segment file, readable or not
  LogReport report;
};

/// Reads all of a store. Changes nothing. Errors: unavailable (a newer format), io (the folder cannot be read).
Result<LogContent> read_log(Directory& directory);

/// The store in files: an append-only log in segments. Batches are written as they end; where that may take long, or
/// did, and where others would have to wait, too, by `background`. A resource of the instance's thread.
class Log final : public Store {
 public:
  /// Goes on with what `read_log` found: cuts what is torn and appends behind it. `background` outlives the log and
  /// is needed for `Durability::power`; without it all is done here. Errors: resource_exhausted, permission_denied, io.
  static Result<std::unique_ptr<Log>> open(std::unique_ptr<Directory> directory, LogOptions options,
                                           const LogContent& content, WallMs now, Background* background);
  /// Writes what waits, as far as possible without waiting for the disk.
  ~Log() override;

  RecordWriter& batch() override { return batch_; }
  std::uint64_t number() const override { return next_; }
  Place place() const override { return static_cast<Place>(segments_.back().number); }
  std::uint64_t offset() const override { return segments_.back().bytes + batch_.size(); }
  void end_batch(WallMs now) override;
  std::uint64_t committed() const override { return committed_; }
  std::uint64_t waiting_bytes() const override { return waiting_bytes_; }
  bool full() const override { return full_ || error_ != 0; }
  bool admits(std::uint64_t bytes) override;
  void retry() override;
  /// By the background, behind what it has to do already. What cannot be read at the moment waits for `retry`.
  void read(std::vector<Wanted> wanted, std::function<void(std::vector<Body>)> done) override;
  std::uint64_t bytes() const override { return bytes_; }
  std::uint64_t segment_bytes() const override { return segment_bytes_; }
  void begin_segment() override;
  Place oldest() const override { return static_cast<Place>(segments_.front().number); }
  void drop_oldest(std::uint64_t number) override;
  bool damaged() const override;

  /// Called when `committed` has grown by something that was done in the background.
  void set_on_commit(std::function<void()> on_commit) { on_commit_ = std::move(on_commit); }
  /// Waits until everything handed over survives, or cannot. Errors: the disk's.
  Result<void> flush();
  /// Why nothing is written at the moment, or, when it is not `full`, not all can be read; empty: all is well.
  std::string trouble() const;
  /// Errors of the disk so far.
  std::uint64_t errors() const { return errors_; }
  const std::string& path() const { return directory_->path(); }

 private:
  struct Segment {
    std::uint64_t number = 0;
    std::uint64_t bytes = 0;  // what was handed over is counted already
    std::uint32_t salt = 0;
    bool damaged = false;
  };
  // Batches of one segment that are not written yet.
  struct Piece {
    std::uint64_t segment = 0;
    std::uint32_t salt = 0;
    WallMs at = 0;           // when the first one ended
    std::uint64_t last = 0;  // number of the last batch
    std::vector<std::uint8_t> bytes;
  };
  // The segment that is written to; belongs to the background while something is written there.
  struct Tail {
    std::uint64_t segment = 0;  // 0: none is open
    std::unique_ptr<File> file;
    std::uint64_t reserved = 0;    // up to there room was taken
    std::uint64_t last_write = 0;  // bytes
    std::uint64_t synced = 0;      // up to there it survives a power cut; 0: not even the header
    bool can_reserve = true;       // the file system knows how
    bool full = false;             // it had none
  };
  // A segment that goes once the batch `after` survives.
  struct Dropped {
    std::uint64_t segment = 0;
    std::uint64_t after = 0;
    bool damaged = false;
  };

  // A call of `read`.
  struct Reading {
    std::vector<WantedFrom> wanted;
    std::vector<Body> bodies;
    Errno error = 0;
    std::function<void(std::vector<Body>)> done;
  };

  static constexpr std::uint64_t kUnknown = UINT64_MAX;

  struct Written {
    Errno error = 0;
    std::size_t pieces = 0;  // so many from the first on survive
    std::uint64_t room = kUnknown;
    bool slow = false;
  };

  Log(std::unique_ptr<Directory> directory, LogOptions options, Background* background)
      : directory_(std::move(directory)), options_(options), background_(background), batch_(kBatchHeaderBytes) {}

  // A write may be done on the instance's thread.
  bool here() const { return !survives_power_cuts() && !slow_ && (!background_ || background_->alone()); }
  bool survives_power_cuts() const { return options_.durability == Durability::power; }
  Errno resume(const LogContent& content);
  void fill_places(std::uint64_t end);
  void sync_older(const LogContent& content);
  Errno set_aside(std::uint64_t segment);
  void wait(const Segment& segment, std::uint64_t number, base::Bytes bytes);
  Errno open_tail(std::uint64_t segment, std::uint32_t salt, WallMs now);
  Errno sync_tail();
  void close_tail();
  Errno write(std::uint64_t segment, std::uint32_t salt, base::Bytes bytes, WallMs now);
  bool reserve(std::uint64_t least = 0);
  Written write_all(const std::deque<Piece>& pieces);
  void write_here();
  void write_behind();
  void wrote(Written written);
  void failed(Errno error);
  Errno remove(const Dropped& dropped);
  void removed(Errno error);
  void remove_dropped();
  void start_reading(const std::shared_ptr<Reading>& reading);
  void has_read(const std::shared_ptr<Reading>& reading);

  std::unique_ptr<Directory> directory_;
  LogOptions options_;
  Background* background_;
  std::function<void()> on_commit_;
  RecordWriter batch_;
  std::deque<Segment> segments_;  // never empty
  std::deque<Dropped> dropped_;
  std::deque<Piece> waiting_;
  std::deque<Piece> writing_;
  std::vector<std::shared_ptr<Reading>> put_off_;  // could not be read
  Tail tail_;
  WallMs now_ = 0;
  WallMs begun_at_ = 0;              // when the last segment was begun
  std::uint64_t segment_bytes_ = 0;  // what it may have
  std::uint64_t last_segment_ = 0;   // number of the newest
  std::uint64_t next_ = 1;           // number of the batch under way
  std::uint64_t committed_ = 0;
  std::uint64_t waiting_bytes_ = 0;  // of `writing_`, too
  std::uint64_t bytes_ = 0;
  std::uint64_t errors_ = 0;
  std::uint64_t room_ = kUnknown;  // for what waits, after the last write that was not done here
  Errno error_ = 0;       // of the last attempt to write
  Errno read_error_ = 0;  // of those that are put off
  bool full_ = false;
  bool closing_ = false;
  std::size_t reading_ = 0;      // so many are read in the background
  bool running_ = false;         // `writing_` is being written in the background
  bool slow_ = false;            // to write takes long, so it is done there
  bool removing_ = false;        // the first of `dropped_` is being removed there
  bool removal_failed_ = false;  // and will be tried again some time
};

}  // namespace shoal::store
