#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "store/record.hpp"

namespace shoal::store {

/// Which of the log's segments a record is in, from 0 to 65,535 and on from 0: there are never so many at a time.
using Place = std::uint16_t;

/// A message whose body (topic, properties and payload) is to be read back: where it was written, and what has to be
/// there.
struct Wanted {
  Place place = 0;
  std::uint64_t offset = 0;   ///< of the topic in the segment
  std::uint64_t message = 0;  ///< its number
  std::size_t topic_size = 0;
  std::size_t properties_size = 0;
  std::size_t payload_size = 0;
  std::uint32_t checksum = 0;  ///< CRC-32C of the body

  std::size_t body_size() const { return topic_size + properties_size + payload_size; }
};

/// The three parts, one behind the other; nothing when they are not there any more.
using Body = std::vector<std::uint8_t>;

/// What survives of an instance: it is told in batches, each of which counts as a whole or not at all. Belongs to the
/// instance's thread.
class Store {
 public:
  virtual ~Store() = default;

  /// The batch under way.
  virtual RecordWriter& batch() = 0;
  /// Its number; one more with every batch.
  virtual std::uint64_t number() const = 0;
  /// Where its records will be.
  virtual Place place() const = 0;
  /// Where in that segment's file the next record of the batch will be, as far as the disk does what it is told.
  virtual std::uint64_t offset() const = 0;
  /// Ends it, when there is something in it, and hands it over: once `committed` has its number it survives what the
  /// instance was promised. `now`: see WallMs.
  virtual void end_batch(WallMs now) = 0;
  /// The last batch that survives, and all before it.
  virtual std::uint64_t committed() const = 0;
  /// Bytes that were handed over and do not survive yet.
  virtual std::uint64_t waiting_bytes() const = 0;
  /// The disk is full, or broken: what may be refused should be. What is handed over all the same waits.
  virtual bool full() const = 0;
  /// There is room for so many bytes more, as far as that can be known without waiting; false when it is `full`. What
  /// may be refused and is large should be when there is not, since everything behind it would wait.
  virtual bool admits(std::uint64_t bytes) = 0;
  /// While `full` or something waits: tries again. The owner calls it about once a second.
  virtual void retry() = 0;

  /// Reads bodies of messages whose batches are committed and whose segments were not dropped. `done` gets as many, in
  /// the same order, some time, on this thread; it may be before this returns, and never when the store goes first.
  virtual void read(std::vector<Wanted> wanted, std::function<void(std::vector<Body>)> done) = 0;

  /// All that is in segments, dead records included.
  virtual std::uint64_t bytes() const = 0;
  /// What a segment may have at most before the next one is begun.
  virtual std::uint64_t segment_bytes() const = 0;
  /// Goes on in another segment, so that this one can be dropped some day.
  virtual void begin_segment() = 0;
  /// The segment that everything was written to first; `place()` when there is only one.
  virtual Place oldest() const = 0;
  /// Nothing in the oldest segment, which is not the only one, is needed once batch `number` survives.
  virtual void drop_oldest(std::uint64_t number) = 0;
  /// A segment besides the last one cannot be read whole: what was read of it should be written again, so that it can
  /// be dropped.
  virtual bool damaged() const = 0;
};

}  // namespace shoal::store
