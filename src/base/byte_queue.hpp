#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/bytes.hpp"
#include "base/shared.hpp"

namespace shoal::base {

/// Pieces of memory that output queues borrow while they have something to say. Keeps a bounded
/// number of free ones. One per reactor; outlives its queues.
class ChunkPool {
 public:
  static constexpr std::size_t kSmall = 1024;
  static constexpr std::size_t kLarge = 16 * 1024;
  static constexpr std::size_t kKeptBytesMax = 4 * 1024 * 1024;

  struct Chunk {
    Chunk* next = nullptr;
    const std::uint8_t* data = nullptr;  ///< what is to be read: own memory or `shared`'s
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    std::uint32_t capacity = 0;  ///< of the own memory behind this header; 0: none
    Shared* shared = nullptr;

    std::uint8_t* own() { return reinterpret_cast<std::uint8_t*>(this + 1); }
  };

  ChunkPool() = default;
  ~ChunkPool() { trim(); }
  ChunkPool(const ChunkPool&) = delete;
  ChunkPool& operator=(const ChunkPool&) = delete;

  /// A chunk with room for `size` bytes; 0 for one that only refers to shared bytes.
  Chunk* take(std::size_t size);
  void give(Chunk* chunk);
  /// What is free and kept.
  std::size_t kept_bytes() const { return kept_bytes_; }
  /// Frees it.
  void trim();

 private:
  struct Kept {
    Chunk* first = nullptr;
  };
  Kept& kept(std::size_t capacity) { return capacity == 0 ? none_ : capacity == kSmall ? small_ : large_; }

  Kept none_;
  Kept small_;
  Kept large_;
  std::size_t kept_bytes_ = 0;
};

/// Bytes on their way out of one connection, less than 4 GiB: written at the back, sent from the front. Owns memory
/// only while it is not empty. A resource of its reactor's thread.
class ByteQueue {
 public:
  explicit ByteQueue(ChunkPool& pool) : pool_(&pool) {}
  ~ByteQueue() { clear(); }
  ByteQueue(const ByteQueue&) = delete;
  ByteQueue& operator=(const ByteQueue&) = delete;

  std::size_t size() const { return size_; }
  /// What it has borrowed from the pool.
  std::size_t memory() const { return memory_; }
  bool empty() const { return size_ == 0; }

  /// Room for `size` bytes in one piece, to be followed by `commit` of at most as many.
  std::uint8_t* reserve(std::size_t size) {
    if (!tail_ || tail_->end + size > tail_->capacity) extend(size);
    return tail_->own() + tail_->end;
  }
  void commit(std::size_t size) {
    tail_->end += static_cast<std::uint32_t>(size);
    size_ += static_cast<std::uint32_t>(size);
  }
  void append(Bytes bytes) {
    if (bytes.empty()) return;
    std::memcpy(reserve(bytes.size()), bytes.data(), bytes.size());
    commit(bytes.size());
  }
  /// Appends bytes that belong to `owner`, without a copy; keeps it alive until they are sent.
  void append_shared(Bytes bytes, Shared& owner);

  /// Fills at most `count` pieces from the front and returns how many.
  std::size_t peek(Bytes* pieces, std::size_t count) const;
  /// Drops sent bytes from the front.
  void consume(std::size_t size);
  /// Moves `size` bytes from the front behind those of `to`, which has the same pool.
  void move_to(ByteQueue& to, std::size_t size);
  void clear();
  ChunkPool& pool() { return *pool_; }

 private:
  void extend(std::size_t size);
  void push(ChunkPool::Chunk* chunk);

  ChunkPool* pool_;
  ChunkPool::Chunk* head_ = nullptr;
  ChunkPool::Chunk* tail_ = nullptr;
  std::uint32_t size_ = 0;
  std::uint32_t memory_ = 0;
};

}  // namespace shoal::base
