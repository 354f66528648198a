#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "simulated_disk/simulated_disk.hpp"
#include "store/backup.hpp"
#include "store/describe.hpp"

// A store is read while its owner goes on: what is read is what there was at one moment.

namespace shoal::store {
namespace {

/// The folder as somebody without the lock sees it; before everything that is done in it the owner does something.
class Watched final : public Directory {
 public:
  Watched(std::unique_ptr<Directory> folder, std::function<void(const std::string& what)> before)
      : folder_(std::move(folder)), before_(std::move(before)) {}

  Errno list(std::vector<std::string>& names) const override {
    before_("list");
    const Errno error = folder_->list(names);
    before_("listed");
    return error;
  }
  Errno open(const std::string& name, std::unique_ptr<File>& file) override {
    before_(name);
    return folder_->open(name, file);
  }
  Errno create(const std::string&, std::unique_ptr<File>&) override { return EROFS; }
  Errno rename(const std::string&, const std::string&) override { return EROFS; }
  Errno remove(const std::string&) override { return EROFS; }
  Errno sync() override { return EROFS; }
  const std::string& path() const override { return folder_->path(); }

 private:
  std::unique_ptr<Directory> folder_;
  std::function<void(const std::string& what)> before_;
};

/// Retained messages in a log with small segments, and whoever clears them.
struct ReadRunning : testing::Test {
  struct Live {
    std::uint64_t message = 0;
    std::string payload;
    Place place = 0;
  };

  SimulatedDisk disk;
  ManualBackground background{true};
  std::unique_ptr<Log> log;
  std::map<std::string, Live> live;
  std::uint64_t messages = 0;
  std::vector<std::string> states;  // what there was after every batch

  ReadRunning() {
    const auto folder = disk.open();
    const auto content = read_log(*folder);
    log = std::move(*Log::open(disk.open(), {.segment_bytes = 500}, *content, 1000, &background));
    states.push_back("");
  }

  void say(const std::string& topic, Live& one) {
    one.place = log->place();
    log->batch().put(MessageRecord{one.message, 0, 1, topic, {}, base::as_bytes(one.payload)});
    log->batch().put(Retained{one.message, topic});
  }
  void put(const std::string& topic, const std::string& payload) {
    live[topic] = {++messages, payload, 0};
    say(topic, live[topic]);
    end_batch();
  }
  void remove(const std::string& topic) {
    live.erase(topic);
    log->batch().put(RetainedGone{topic});
    end_batch();
  }
  /// Everything in the oldest segment is said again; then it goes.
  void clear_oldest() {
    if (log->oldest() == log->place()) return;
    const Place oldest = log->oldest();
    for (auto& [topic, one] : live) {
      if (one.place == oldest) say(topic, one);
    }
    const std::uint64_t number = log->number();
    end_batch();
    log->drop_oldest(log->number() > number ? number : number - 1);
  }
  void end_batch() {
    log->end_batch(1000);
    std::string text;
    for (const auto& [topic, one] : live) text += "retained " + topic + '=' + one.payload + " q1\n";
    states.push_back(text);
  }
  void fill_segment() {
    for (const Place place = log->place(); log->place() == place;) put("filler", std::string(50, 'f'));
  }

  /// What is read while `before` happens.
  Reading read(std::function<void(const std::string& what)> before = [](const std::string&) {}) {
    Watched folder(disk.open(), std::move(before));
    auto content = read_running(folder);
    EXPECT_TRUE(content) << content.error().message;
    return comes_to(std::move(*content));
  }
  /// It is what there was at some time since the state `first`.
  void expect_one_moment(const Reading& reading, std::size_t first) {
    EXPECT_TRUE(reading.content.report.damages.empty()) << reading.content.report.damages.front().what;
    EXPECT_EQ(reading.missing, Image::Missing());
    const std::string text = describe(reading.image);
    for (std::size_t i = first; i < states.size(); ++i) {
      if (states[i] == text) return;
    }
    ADD_FAILURE() << "never was:\n"
                  << text << "it began with:\n"
                  << states[first] << "it ended with:\n"
                  << states.back();
  }
};

TEST_F(ReadRunning, NothingIsNothing) {
  const Reading reading = read();
  EXPECT_EQ(describe(reading.image), "");
  EXPECT_EQ(reading.alive_until, 0u);
}

TEST_F(ReadRunning, AStoreAtRestIsReadWhole) {
  put("a", "1");
  fill_segment();
  put("b", "2");
  const Reading reading = read();
  EXPECT_EQ(describe(reading.image), states.back());
  EXPECT_EQ(reading.content.report.segments, 2u);
  EXPECT_EQ(reading.alive_until, 1000u);
}

TEST_F(ReadRunning, WhatAVanishedSegmentEndedDoesNotComeBack) {
  put("a", "1");
  fill_segment();
  remove("a");
  fill_segment();
  put("c", "3");
  // The first segment, with `a`, was read; the second, that ended it, is gone before it is.
  bool done = false;
  int lists = 0;
  const Reading reading = read([&](const std::string& what) {
    lists += what == "list" ? 1 : 0;
    if (what != segment_name(2) || std::exchange(done, true)) return;
    clear_oldest();
    clear_oldest();
  });
  EXPECT_TRUE(done);
  EXPECT_EQ(lists, 4) << "nothing looked damaged";
  EXPECT_EQ(describe(reading.image), states.back());
  EXPECT_EQ(reading.content.segments.front().header.number, 3u);
}

TEST_F(ReadRunning, WhatWasSaidAgainInANewSegmentIsFoundThere) {
  put("a", "1");
  fill_segment();
  put("b", "2");
  // Behind the listing: a new segment is begun and gets what was in the first one, which goes.
  bool done = false;
  const Reading reading = read([&](const std::string& what) {
    if (what != segment_name(1) || std::exchange(done, true)) return;
    fill_segment();
    clear_oldest();
  });
  EXPECT_EQ(describe(reading.image), states.back());
}

TEST_F(ReadRunning, TheNewestSegmentIsReadAgainWhenItMayHaveGrown) {
  put("a", "1");
  fill_segment();
  put("b", "2");
  int lists = 0;
  const Reading reading = read([&](const std::string& what) {
    if (what == segment_name(1)) clear_oldest();
    if (what != "list" || ++lists != 3) return;
    put("late", "3");
    fill_segment();
  });
  EXPECT_EQ(describe(reading.image), states.back());
  EXPECT_EQ(lists, 4) << "nothing looked damaged";
}

TEST_F(ReadRunning, AListingThatLacksBothIsNotBelieved) {
  put("a", "1");
  fill_segment();
  put("b", "2");
  // While the folder is listed the first segment is cleared into a new one: the listing has neither.
  const auto folder = disk.open();
  struct Torn final : public Directory {
    Directory& folder;
    ReadRunning& test;
    mutable bool done = false;
    Torn(Directory& f, ReadRunning& t) : folder(f), test(t) {}
    Errno list(std::vector<std::string>& names) const override {
      const Errno error = folder.list(names);
      if (std::exchange(done, true)) return error;
      test.fill_segment();
      test.clear_oldest();
      std::erase(names, segment_name(1));
      return error;
    }
    Errno open(const std::string& name, std::unique_ptr<File>& file) override { return folder.open(name, file); }
    Errno create(const std::string&, std::unique_ptr<File>&) override { return EROFS; }
    Errno rename(const std::string&, const std::string&) override { return EROFS; }
    Errno remove(const std::string&) override { return EROFS; }
    Errno sync() override { return EROFS; }
    const std::string& path() const override { return folder.path(); }
  } torn(*folder, *this);
  auto content = read_running(torn);
  ASSERT_TRUE(content) << content.error().message;
  EXPECT_EQ(describe(comes_to(std::move(*content)).image), states.back());
}

TEST_F(ReadRunning, ABatchThatIsBeingWrittenIsNotPartOfIt) {
  put("a", "1");
  const std::string before = states.back();
  put("b", "2");
  disk.change(segment_name(1), [](SimulatedDisk::Content& content) { content.resize(content.size() - 3); });
  const Reading reading = read();
  EXPECT_EQ(describe(reading.image), before);
  EXPECT_GT(reading.content.report.torn_bytes, 0u);
  EXPECT_TRUE(reading.content.report.damages.empty());
}

TEST_F(ReadRunning, DamageIsToldAndTheRestIsRead) {
  put("a", "1");
  put("b", "2");
  put("c", "3");
  fill_segment();
  disk.change(segment_name(1), [](SimulatedDisk::Content& content) { content[kSegmentHeaderBytes + 60] ^= 1; });
  const Reading reading = read();
  ASSERT_FALSE(reading.content.report.damages.empty());
  EXPECT_EQ(reading.content.report.damages.front().file, segment_name(1));
  EXPECT_NE(describe(reading.image).find("retained c=3"), std::string::npos);
}

TEST_F(ReadRunning, WhatCannotBeReadIsAnError) {
  put("a", "1");
  disk.refuse(DiskOperation::open, EACCES);
  auto folder = disk.open();
  const auto content = read_running(*folder);
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().code, ErrorCode::io);
  EXPECT_NE(content.error().message.find("0000000000000001.log: Permission denied"), std::string::npos);
}

TEST_F(ReadRunning, WhateverHappensMeanwhileItIsOneMoment) {
  std::mt19937 random(5);
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  const auto something = [&] {
    const std::string topic(1, static_cast<char>('a' + below(6)));
    switch (below(6)) {
      case 0: remove(topic); break;
      case 1:
      case 2: clear_oldest(); break;
      default: put(topic, std::to_string(messages)); break;
    }
  };
  std::uint64_t vanished = 0;
  for (int round = 0; round < 1000; ++round) {
    for (unsigned i = below(30); i > 0; --i) something();
    const std::size_t first = states.size() - 1;
    // Much happens between two looks now and then, and ends some time.
    unsigned most = below(4) == 0 ? 400 : 40;
    const Reading reading = read([&](const std::string& what) {
      if (what.ends_with(".log") && !disk.has(what)) ++vanished;
      for (unsigned i = below(20); i > 0 && most > 0; --i, --most) something();
    });
    expect_one_moment(reading, first);
    if (testing::Test::HasFailure()) FAIL() << "round " << round;
  }
  EXPECT_GT(vanished, 20u);
}

}  // namespace
}  // namespace shoal::store
