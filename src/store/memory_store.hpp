#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "store/image.hpp"
#include "store/store.hpp"

namespace shoal::store {

/// A store in memory, for tests of those who use one: its `Disk` outlives it as files outlive a process. What is
/// handed over is committed at once, or when the test says so. One thread.
class MemoryStore final : public Store {
 public:
  struct Disk {
    struct Batch {
      std::uint64_t segment = 0;
      std::uint64_t offset = 0;  ///< in the segment
      WallMs at = 0;
      std::vector<std::uint8_t> records;
    };
    std::deque<Batch> batches;
    std::uint64_t last_segment = 0;
    std::uint64_t last_batch = 0;

    /// What its batches come to; they have to stay as long. `missing`, unless null, is what `finish` said.
    Image image(Image::Missing* missing = nullptr) const;
    /// When the last one was ended.
    WallMs alive_until() const { return batches.empty() ? 0 : batches.back().at; }
    std::uint64_t bytes() const;
  };

  explicit MemoryStore(Disk& disk, std::uint64_t segment_bytes = 8u << 20);

  RecordWriter& batch() override { return batch_; }
  std::uint64_t number() const override { return next_; }
  Place place() const override { return static_cast<Place>(disk_.last_segment); }
  std::uint64_t offset() const override { return segment_now_ + batch_.size(); }
  void end_batch(WallMs now) override;
  std::uint64_t committed() const override { return disk_.last_batch; }
  std::uint64_t waiting_bytes() const override;
  bool full() const override { return full_; }
  bool admits(std::uint64_t bytes) override { return !full_ && bytes <= room_; }
  void retry() override {}
  void read(std::vector<Wanted> wanted, std::function<void(std::vector<Body>)> done) override;
  std::uint64_t bytes() const override { return disk_.bytes() + waiting_bytes(); }
  std::uint64_t segment_bytes() const override { return segment_bytes_; }
  Place oldest() const override { return static_cast<Place>(oldest_); }
  void drop_oldest(std::uint64_t number) override;
  bool damaged() const override { return damaged_; }

  /// With true nothing is committed until `commit` or false.
  void hold(bool on);
  void commit();
  /// With true nothing is read until `finish_reads` or false.
  void hold_reads(bool on);
  void finish_reads();
  /// Bodies that were asked for.
  std::uint64_t reads() const { return reads_; }
  void set_full(bool full) { full_ = full; }
  /// What `admits` goes by.
  void set_room(std::uint64_t bytes) { room_ = bytes; }
  void begin_segment() override;
  /// Asks for the other segments to be cleared.
  void set_damaged(bool damaged) { damaged_ = damaged; }

 private:
  void remove_dropped();
  Body find(const Wanted& wanted) const;

  struct Dropped {
    std::uint64_t segment = 0;
    std::uint64_t after = 0;
  };

  Disk& disk_;
  std::uint64_t segment_bytes_;
  RecordWriter batch_;
  std::deque<Disk::Batch> waiting_;
  std::deque<Dropped> dropped_;
  std::deque<std::function<void()>> held_reads_;
  std::uint64_t next_;
  std::uint64_t oldest_;
  std::uint64_t segment_now_ = 0;  // bytes of the newest segment
  std::uint64_t room_ = UINT64_MAX;
  std::uint64_t reads_ = 0;
  bool hold_ = false;
  bool hold_reads_ = false;
  bool full_ = false;
  bool damaged_ = false;
};

}  // namespace shoal::store
