#include <gtest/gtest.h>

#include <cerrno>
#include <map>
#include <optional>
#include <set>

#include "store/log_harness_test.hpp"

// Goes through all that can happen to a log: every operation fails once, the process ends in every operation, the power
// goes at any moment.

namespace shoal::store {
namespace {

/// Keeps seven keys with values in a log, each the payload of a message to the topic that is the key, and clears the
/// oldest segment as its owner has to. Remembers what it wrote.
class Keeper {
 public:
  explicit Keeper(LogOptions options) {
    one.options = options;
    one.options.segment_bytes = 600;
    one.options.slow = std::chrono::hours(1);
  }

  /// Reads what is there, checks it and goes on with it. False when it was refused, as it may be after a fault.
  bool open() {
    one.close();
    const auto opened = one.try_open();
    if (!opened || one.disk.has_ended()) return false;
    check();
    return true;
  }

  /// `steps` batches; the background comes to do something in some of them.
  void run(int steps, SimulatedDisk::Random& random) {
    for (int step = 0; step < steps; ++step) {
      write({{static_cast<int>(random() % 7), ++value_}});
      if (random() % 3 == 0)
        write({{static_cast<int>(random() % 7), ++value_}, {static_cast<int>(random() % 7), ++value_}});
      if (random() % 2 == 0) one.background.run_one();
      if (one.log->oldest() != one.log->place() && random() % 3 == 0) clear_oldest();
      if (one.log->full() && random() % 2 == 0) one.log->retry();
      seen_ = std::max(seen_, one.log->committed());
    }
  }
  void catch_up() {
    // Twice: what fails may come now.
    for (int i = 0; i < 2; ++i) {
      one.log->retry();
      one.background.finish();
    }
    EXPECT_EQ(one.log->committed() + 1, one.log->number()) << one.log->trouble();
    seen_ = one.log->committed();
  }
  void end_process() {
    seen_ = std::max(seen_, one.log ? one.log->committed() : 0);
    one.end_process();
  }
  void cut_power(SimulatedDisk::Random& random) {
    seen_ = std::max(seen_, one.log ? one.log->committed() : 0);
    one.cut_power(random);
    power_cut_ = true;
  }
  std::uint64_t promised() const { return seen_; }

  LogHarness one;

 private:
  using Values = std::map<int, std::uint64_t>;

  void write(const std::vector<std::pair<int, std::uint64_t>>& values) {
    Values& batch = written_[one.log->number()];
    for (const auto& [key, value] : values) {
      const std::string topic = std::to_string(key), payload = std::to_string(value);
      one.log->batch().put(MessageRecord{value, 0, 1, topic, {}, base::as_bytes(payload)});
      batch[key] = value;
      places_[key] = one.log->place();
      now_[key] = value;
    }
    one.log->end_batch(++one.now);
  }

  void clear_oldest() {
    std::vector<std::pair<int, std::uint64_t>> again;
    for (const auto& [key, place] : places_) {
      if (place == one.log->oldest()) again.emplace_back(key, now_.at(key));
    }
    const std::uint64_t number = again.empty() ? one.log->number() - 1 : one.log->number();
    if (!again.empty()) write(again);
    one.log->drop_oldest(number);
  }

  // What was read against what was written.
  void check() {
    Values read;
    places_.clear();
    std::set<std::uint64_t> numbers;
    for (const auto& segment : one.found.segments) {
      for (const Batch& batch : segment.batches) {
        ASSERT_TRUE(written_.contains(batch.number)) << "batch " << batch.number << " was never written";
        ASSERT_TRUE(numbers.empty() || batch.number > *numbers.rbegin());
        numbers.insert(batch.number);
        Values values;
        RecordReader reader(batch.records);
        for (Record record; reader.next(record);) {
          const auto& message = std::get<MessageRecord>(record);
          const int key = std::stoi(std::string(message.topic));
          values[key] = message.number;
          places_[key] = static_cast<Place>(segment.header.number);
        }
        ASSERT_EQ(values, written_.at(batch.number));
        for (const auto& [key, value] : values) read[key] = value;
      }
    }
    // All that was promised: from the first batch that is left on, and what came to it in those before.
    const std::uint64_t first = numbers.empty() ? seen_ + 1 : *numbers.begin();
    for (std::uint64_t number = first; number <= seen_; ++number) {
      ASSERT_TRUE(numbers.contains(number) || !written_.contains(number))
          << "batch " << number << " of " << seen_ << " is missing";
    }
    // A process that ends leaves no holes behind that either.
    if (!power_cut_) {
      const auto& damages = one.found.report.damages;
      ASSERT_TRUE(damages.empty()) << damages[0].file << ' ' << damages[0].what;
      ASSERT_TRUE(numbers.empty() || numbers.size() == *numbers.rbegin() - first + 1);
    }
    Values promised, whole;
    for (const auto& [number, values] : written_) {
      const bool left = numbers.contains(number);
      for (const auto& [key, value] : values) {
        if (number <= seen_) promised[key] = value;
        if (number <= seen_ || left) whole[key] = value;
      }
    }
    ASSERT_EQ(read, whole) << "what was promised, and more that survived";
    for (const auto& [key, value] : promised) ASSERT_TRUE(read.contains(key));
    // What did not survive was never there.
    std::erase_if(written_, [&](const auto& each) { return each.first > seen_ && !numbers.contains(each.first); });
    now_ = read;
    seen_ = numbers.empty() ? seen_ : std::max(seen_, *numbers.rbegin());
    power_cut_ = false;
  }

  std::map<std::uint64_t, Values> written_;
  std::map<int, Place> places_;
  Values now_;
  std::uint64_t value_ = 0;
  std::uint64_t seen_ = 0;  // the last batch that was committed
  bool power_cut_ = false;
};

struct Kind {
  const char* name;
  Durability durability;
};

struct LogWalk : testing::TestWithParam<Kind> {
  LogOptions options() const { return {.segment_bytes = 600, .durability = GetParam().durability}; }
};

TEST_P(LogWalk, EveryOperationFailsOnce) {
  for (const auto& [error, written] : {std::pair{EIO, 0u}, {EIO, 13u}, {ENOSPC, 0u}, {ENOSPC, 1'000u}}) {
    bool failed = true;
    std::uint64_t number = 0;
    while (failed) {
      SCOPED_TRACE("errno " + std::to_string(error) + " in operation " + std::to_string(++number));
      SimulatedDisk::Random random(11);
      Keeper keeper(options());
      keeper.one.disk.fail_at(number, error, written);
      ASSERT_TRUE(keeper.open() || keeper.open()) << "it failed once";
      keeper.run(20, random);
      // The second half goes on with what the first one left.
      ASSERT_TRUE(keeper.open() || keeper.open()) << "it failed once";
      keeper.run(20, random);
      failed = keeper.one.disk.has_failed();
      keeper.catch_up();
      const std::uint64_t promised = keeper.promised();
      keeper.end_process();
      ASSERT_TRUE(keeper.open());
      EXPECT_EQ(keeper.promised(), promised);
      if (HasFailure()) return;
    }
    EXPECT_GT(number, 70u);
  }
}

TEST_P(LogWalk, ProcessEndsInEveryOperation) {
  for (const std::size_t written : {0, 1, 30, 1'000}) {
    bool ended = true;
    std::uint64_t number = 0;
    while (ended) {
      SCOPED_TRACE("in operation " + std::to_string(++number) + " with " + std::to_string(written) + " written");
      SimulatedDisk::Random random(11);
      Keeper keeper(options());
      keeper.one.disk.end_process_at(number, written);
      if (keeper.open()) {
        keeper.run(20, random);
        if (keeper.open()) keeper.run(20, random);
      }
      ended = keeper.one.disk.has_failed();
      keeper.end_process();
      ASSERT_TRUE(keeper.open());
      keeper.run(10, random);
      keeper.end_process();
      ASSERT_TRUE(keeper.open());
      if (HasFailure()) return;
    }
    EXPECT_GT(number, 70u);
  }
}

INSTANTIATE_TEST_SUITE_P(, LogWalk,
                         testing::Values(Kind{"Process", Durability::process}, Kind{"Power", Durability::power}),
                         [](const auto& tested) { return tested.param.name; });

TEST(LogPowerWalk, PowerGoesAtAnyMoment) {
  constexpr std::uint64_t kSeeds = 600;
  std::uint64_t promised = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SimulatedDisk::Random random(seed);
    Keeper keeper({.segment_bytes = 600, .durability = Durability::power});
    for (int cut = 0; cut < 4; ++cut) {
      // Sometimes while it is opened.
      keeper.one.disk.end_process_at(keeper.one.disk.operations() + 1 + random() % 120, random() % 200);
      if (keeper.open()) keeper.run(static_cast<int>(random() % 40), random);
      keeper.cut_power(random);
      if (HasFailure()) return;
    }
    ASSERT_TRUE(keeper.open());
    keeper.run(20, random);
    keeper.catch_up();
    promised += keeper.promised();
    keeper.cut_power(random);
    ASSERT_TRUE(keeper.open());
    if (HasFailure()) return;
  }
  EXPECT_GT(promised, kSeeds * 30) << "or nothing was promised";
}

TEST(LogPowerWalk, PowerGoesAfterSomethingFailed) {
  for (std::uint64_t seed = 1; seed <= 600; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SimulatedDisk::Random random(seed);
    Keeper keeper({.segment_bytes = 600, .durability = Durability::power});
    ASSERT_TRUE(keeper.open());
    for (int fault = 0; fault < 3; ++fault) {
      keeper.one.disk.fail_at(keeper.one.disk.operations() + 1 + random() % 60, random() % 2 == 0 ? EIO : ENOSPC,
                              random() % 200);
      keeper.run(15, random);
    }
    keeper.cut_power(random);
    ASSERT_TRUE(keeper.open());
    keeper.run(10, random);
    keeper.catch_up();
    keeper.cut_power(random);
    ASSERT_TRUE(keeper.open());
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace shoal::store
