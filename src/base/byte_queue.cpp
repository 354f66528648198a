#include "base/byte_queue.hpp"

#include <algorithm>
#include <new>

namespace shoal::base {

using Chunk = ChunkPool::Chunk;

Chunk* ChunkPool::take(std::size_t size) {
  const std::size_t capacity = size == 0 ? 0 : size <= kSmall ? kSmall : std::max(size, kLarge);
  if (capacity <= kLarge) {
    Kept& free = kept(capacity);
    if (Chunk* chunk = free.first) {
      free.first = chunk->next;
      kept_bytes_ -= sizeof(Chunk) + capacity;
      *chunk = Chunk{};
      chunk->capacity = static_cast<std::uint32_t>(capacity);
      return chunk;
    }
  }
  auto* chunk = new (::operator new(sizeof(Chunk) + capacity)) Chunk{};
  chunk->capacity = static_cast<std::uint32_t>(capacity);
  return chunk;
}

void ChunkPool::give(Chunk* chunk) {
  if (chunk->shared) chunk->shared->release();
  chunk->shared = nullptr;
  const std::size_t size = sizeof(Chunk) + chunk->capacity;
  if (chunk->capacity > kLarge || kept_bytes_ + size > kKeptBytesMax) {
    ::operator delete(chunk);
    return;
  }
  Kept& free = kept(chunk->capacity);
  chunk->next = free.first;
  free.first = chunk;
  kept_bytes_ += size;
}

void ChunkPool::trim() {
  for (Kept* free : {&none_, &small_, &large_}) {
    while (Chunk* chunk = free->first) {
      free->first = chunk->next;
      ::operator delete(chunk);
    }
  }
  kept_bytes_ = 0;
}

void ByteQueue::push(Chunk* chunk) {
  if (tail_) tail_->next = chunk;
  else head_ = chunk;
  tail_ = chunk;
  memory_ += static_cast<std::uint32_t>(sizeof(Chunk)) + chunk->capacity;
}

void ByteQueue::extend(std::size_t size) {
  // Most connections say little in a turn; one that fills its first chunk gets large ones.
  if (tail_ && tail_->capacity != 0) size = std::max(size, ChunkPool::kLarge);
  Chunk* const chunk = pool_->take(size);
  chunk->data = chunk->own();
  push(chunk);
}

void ByteQueue::append_shared(Bytes bytes, Shared& owner) {
  if (bytes.empty()) return;
  Chunk* const chunk = pool_->take(0);
  owner.retain();
  chunk->shared = &owner;
  chunk->data = bytes.data();
  chunk->end = static_cast<std::uint32_t>(bytes.size());
  push(chunk);
  size_ += static_cast<std::uint32_t>(bytes.size());
}

std::size_t ByteQueue::peek(Bytes* pieces, std::size_t count) const {
  std::size_t n = 0;
  for (const Chunk* chunk = head_; chunk && n < count; chunk = chunk->next) {
    if (chunk->end > chunk->begin) pieces[n++] = {chunk->data + chunk->begin, chunk->end - chunk->begin};
  }
  return n;
}

void ByteQueue::consume(std::size_t size) {
  assert(size <= size_);
  size_ -= static_cast<std::uint32_t>(size);
  while (head_) {
    const std::size_t part = std::min<std::size_t>(size, head_->end - head_->begin);
    head_->begin += static_cast<std::uint32_t>(part);
    size -= part;
    if (head_->begin < head_->end) return;
    Chunk* const done = head_;
    head_ = done->next;
    if (!head_) tail_ = nullptr;
    memory_ -= static_cast<std::uint32_t>(sizeof(Chunk)) + done->capacity;
    pool_->give(done);
  }
}

void ByteQueue::move_to(ByteQueue& to, std::size_t size) {
  assert(size <= size_ && pool_ == to.pool_);
  while (size > 0) {
    Chunk* const first = head_;
    const std::uint32_t part = first->end - first->begin;
    if (part > size) {
      // Only what was written in one piece with what stays is copied.
      if (first->shared) to.append_shared({first->data + first->begin, size}, *first->shared);
      else to.append({first->data + first->begin, size});
      return consume(size);
    }
    head_ = first->next;
    if (!head_) tail_ = nullptr;
    memory_ -= static_cast<std::uint32_t>(sizeof(Chunk)) + first->capacity;
    size_ -= part;
    size -= part;
    first->next = nullptr;
    to.push(first);
    to.size_ += part;
  }
}

void ByteQueue::clear() {
  while (head_) {
    Chunk* const done = head_;
    head_ = done->next;
    pool_->give(done);
  }
  tail_ = nullptr;
  size_ = 0;
  memory_ = 0;
}

}  // namespace shoal::base
