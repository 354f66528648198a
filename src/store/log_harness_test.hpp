#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "simulated_disk/simulated_disk.hpp"
#include "store/log.hpp"

namespace shoal::store {

/// A log on a simulated disk. What is put into it are messages whose payload is the batch's number, or what is said.
struct LogHarness {
  SimulatedDisk disk;
  ManualBackground background;
  // No write takes an hour, whatever else the machine does.
  LogOptions options{.segment_bytes = 1000, .durability = Durability::process, .slow = std::chrono::hours(1)};
  std::unique_ptr<Log> log;
  LogContent found;                    // of the last `open`
  LogReport report;                    // of the last `open`
  std::vector<std::string> read;       // payloads that were read by the last `open` or `look`
  std::vector<std::uint64_t> numbers;  // of the batches that were
  WallMs now = 1000;

  ~LogHarness() {
    log.reset();
    background.forget();
  }

  /// Reads what is there. Without changing anything.
  Result<LogContent> read_content() {
    const auto folder = disk.open();
    auto content = read_log(*folder);
    read.clear();
    numbers.clear();
    if (!content) return content;
    report = content->report;
    for (const auto& segment : content->segments) {
      for (const Batch& batch : segment.batches) {
        numbers.push_back(batch.number);
        RecordReader reader(batch.records);
        for (Record record; reader.next(record);) {
          if (const auto* message = std::get_if<MessageRecord>(&record)) {
            read.emplace_back(base::as_text(message->payload));
          }
        }
        EXPECT_FALSE(reader.malformed());
      }
    }
    return content;
  }
  void look() {
    const auto content = read_content();
    ASSERT_TRUE(content) << content.error().message;
  }
  Result<void> try_open() {
    auto content = read_content();
    if (!content) return std::move(content).error();
    found = std::move(*content);
    auto opened = Log::open(disk.open(), options, found, now, &background);
    if (!opened) return std::move(opened).error();
    log = std::move(*opened);
    return {};
  }
  void open() {
    const auto opened = try_open();
    ASSERT_TRUE(opened) << opened.error().message;
  }
  void close() { log.reset(); }
  void reopen() {
    close();
    open();
  }
  /// The process ends without a word, what waits is lost with it.
  void end_process() {
    disk.stop_process();
    log.reset();
    background.forget();
    disk.end_process();
  }

  void cut_power(SimulatedDisk::Random& random) {
    disk.stop_process();
    log.reset();
    background.forget();
    disk.cut_power(random);
  }

  /// A batch with a message. Its number.
  std::uint64_t put(const std::string& payload) {
    const std::uint64_t number = log->number();
    log->batch().put(MessageRecord{number, 0, 1, "t", {}, base::as_bytes(payload)});
    log->end_batch(++now);
    return number;
  }
  std::uint64_t put() { return put(std::to_string(log->number())); }
  std::uint64_t put_large(std::size_t size) { return put(std::string(size, 'x')); }
  /// Until the place is another.
  void fill_segment() {
    for (const Place place = log->place(); log->place() == place;) put_large(200);
  }
};

}  // namespace shoal::store
