#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "store/directory.hpp"
#include "store/log.hpp"

namespace shoal::store {

/// What the store does with a disk.
enum class DiskOperation { list, create, open, rename, remove, sync_folder, append, reserve, truncate, sync, read };

/// A disk in memory with one folder. It outlives the folders that are opened on it, one after the other.
class SimulatedDisk {
 public:
  using Random = std::mt19937_64;
  using Content = std::vector<std::uint8_t>;

  SimulatedDisk();
  ~SimulatedDisk();

  std::unique_ptr<Directory> open();

  /// Operations so far. The next one has the number `operations() + 1`.
  std::uint64_t operations() const { return operations_; }
  std::uint64_t operations(DiskOperation kind) const { return by_kind_[static_cast<std::size_t>(kind)]; }
  /// Operation `number` fails. When it appends, `written` bytes were by then, all but one at most.
  void fail_at(std::uint64_t number, Errno error, std::size_t written = 0) { fault_ = {number, error, written, false}; }
  /// The process ends in operation `number`: it and all that follow do nothing; only
  /// `end_process` and `cut_power` let another one begin.
  void end_process_at(std::uint64_t number, std::size_t written = 0) { fault_ = {number, EIO, written, true}; }
  /// True when the operation to fail, or to end in, has come.
  bool has_failed() const { return failed_; }
  /// True since the process ended in an operation.
  bool has_ended() const { return failed_ && fault_.ends; }
  /// Every operation of the kind fails, until it is allowed again by 0.
  void refuse(DiskOperation kind, Errno error) { refused_[static_cast<std::size_t>(kind)] = error; }
  /// Bytes on disk; beyond them is ENOSPC.
  void set_capacity(std::uint64_t bytes) { capacity_ = bytes; }
  /// Of all files, room that is reserved included.
  std::uint64_t used() const;

  /// Whoever has the folder or a file open cannot do anything with it any more, as if it were dead.
  void stop_process() { dead_ = true; }
  /// What was written stays.
  void end_process();
  /// What was not synced may be lost.
  void cut_power(Random& random);

  std::vector<std::string> names() const;
  bool has(const std::string& name) const { return names_.contains(name); }
  /// As programs see it now. The file has to be there.
  const Content& content(const std::string& name) const;
  void put(const std::string& name, Content content);
  /// Makes `content` of a file something else.
  void change(const std::string& name, const std::function<void(Content& content)>& change);
  /// Reading a part with a byte between `from` and `to` fails.
  void unreadable(const std::string& name, std::uint64_t from, std::uint64_t to);

 private:
  friend class SimulatedFile;
  friend class SimulatedFolder;

  struct Range {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
  };
  struct Inode {
    Content now;
    Content synced;
    std::uint64_t certain = 0;    // up to there a power cut leaves what `synced` says
    std::uint64_t room = 0;       // taken on the disk
    std::vector<Range> given_up;  // written, but a sync failed: `synced` never gets it
    std::optional<Range> unreadable;
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;
  // Something done to the folder: names, and what they are now.
  using Change = std::vector<std::pair<std::string, std::shared_ptr<Inode>>>;
  struct Fault {
    std::uint64_t number = 0;
    Errno error = 0;
    std::size_t written = 0;
    bool ends = false;
  };

  // Counts an operation; not 0 when it fails. `written` is what it does all the same.
  Errno begin(DiskOperation kind, std::uint64_t epoch, std::size_t* written = nullptr);
  void apply(Change change);
  static void apply(const Change& change, Names& names);
  static void lose_power(Inode& inode, Random& random);
  void restart();

  Names names_;
  Names synced_names_;
  std::vector<Change> changes_;  // since the folder was synced
  std::uint64_t operations_ = 0;
  std::array<std::uint64_t, 11> by_kind_{};
  std::array<Errno, 11> refused_{};
  Fault fault_;
  bool failed_ = false;
  std::uint64_t capacity_ = UINT64_MAX;
  std::uint64_t epoch_ = 0;  // one for each process
  bool dead_ = false;
};

/// Does the work when it is told to.
class ManualBackground final : public Background {
 public:
  /// At once: `work` and `done` before `run` returns.
  explicit ManualBackground(bool at_once = false) : at_once_(at_once) {}

  void run(std::function<void()> work, std::function<void()> done) override;
  void finish() override;
  bool alone() const override { return alone_; }
  void set_alone(bool alone) { alone_ = alone; }

  std::size_t waiting() const { return jobs_.size(); }
  /// Does the oldest, if there is one.
  bool run_one();
  /// The process is dead.
  void forget() { jobs_.clear(); }

 private:
  struct Job {
    std::function<void()> work;
    std::function<void()> done;
  };

  std::deque<Job> jobs_;
  bool at_once_;
  bool alone_ = true;
};

}  // namespace shoal::store
