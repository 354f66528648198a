#include "store/memory_store.hpp"

#include <utility>

namespace shoal::store {

Image MemoryStore::Disk::image(Image::Missing* missing) const {
  Image image;
  for (const Batch& batch : batches) image.apply_all(batch.records, batch.segment);
  const Image::Missing result = image.finish();
  if (missing) *missing = result;
  return image;
}

std::uint64_t MemoryStore::Disk::bytes() const {
  std::uint64_t bytes = 0;
  for (const Batch& batch : batches) bytes += batch.records.size();
  return bytes;
}

MemoryStore::MemoryStore(Disk& disk, std::uint64_t segment_bytes)
    : disk_(disk), segment_bytes_(segment_bytes), next_(disk.last_batch + 1) {
  ++disk_.last_segment;
  oldest_ = disk_.batches.empty() ? disk_.last_segment : disk_.batches.front().segment;
}

void MemoryStore::end_batch(WallMs now) {
  if (batch_.empty()) return;
  const auto bytes = batch_.bytes();
  waiting_.push_back({disk_.last_segment, now, {bytes.begin(), bytes.end()}});
  segment_now_ += bytes.size();
  ++next_;
  batch_.clear();
  if (segment_now_ >= segment_bytes_) begin_segment();
  if (!hold_) commit();
}

void MemoryStore::begin_segment() {
  ++disk_.last_segment;
  segment_now_ = 0;
}

std::uint64_t MemoryStore::waiting_bytes() const {
  std::uint64_t bytes = 0;
  for (const Disk::Batch& batch : waiting_) bytes += batch.records.size();
  return bytes;
}

void MemoryStore::hold(bool on) {
  hold_ = on;
  if (!on) commit();
}

void MemoryStore::commit() {
  for (; !waiting_.empty(); waiting_.pop_front()) {
    disk_.batches.push_back(std::move(waiting_.front()));
    ++disk_.last_batch;
  }
  remove_dropped();
}

void MemoryStore::drop_oldest(std::uint64_t number) {
  dropped_.push_back({oldest_++, number});
  remove_dropped();
}

void MemoryStore::remove_dropped() {
  for (; !dropped_.empty() && dropped_.front().after <= disk_.last_batch; dropped_.pop_front()) {
    while (!disk_.batches.empty() && disk_.batches.front().segment <= dropped_.front().segment) {
      disk_.batches.pop_front();
    }
  }
}

}  // namespace shoal::store
