#include "store/memory_store.hpp"

#include <algorithm>
#include <utility>

#include "store/read_back.hpp"

namespace shoal::store {

Image MemoryStore::Disk::image(Image::Missing* missing) const {
  Image image;
  for (const Batch& batch : batches) image.apply_all(batch.records, batch.segment, batch.offset);
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
  waiting_.push_back({disk_.last_segment, segment_now_, now, {bytes.begin(), bytes.end()}});
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

void MemoryStore::read(std::vector<Wanted> wanted, std::function<void(std::vector<Body>)> done) {
  reads_ += wanted.size();
  held_reads_.push_back([this, wanted = std::move(wanted), done = std::move(done)] {
    std::vector<Body> bodies;
    for (const Wanted& each : wanted) bodies.push_back(find(each));
    done(std::move(bodies));
  });
  if (!hold_reads_) finish_reads();
}

Body MemoryStore::find(const Wanted& wanted) const {
  for (const Disk::Batch& batch : disk_.batches) {
    if (static_cast<Place>(batch.segment) != wanted.place || wanted.offset < batch.offset) continue;
    const std::uint64_t at = wanted.offset - batch.offset;
    if (at >= batch.records.size()) continue;
    const std::size_t span = body_span(wanted.topic_size, wanted.properties_size, wanted.payload_size);
    return take_body(wanted, {batch.records.data() + at, std::min<std::size_t>(span, batch.records.size() - at)});
  }
  return {};
}

void MemoryStore::hold_reads(bool on) {
  hold_reads_ = on;
  if (!on) finish_reads();
}

void MemoryStore::finish_reads() {
  while (!held_reads_.empty()) {
    const auto read = std::move(held_reads_.front());
    held_reads_.pop_front();
    read();
  }
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
