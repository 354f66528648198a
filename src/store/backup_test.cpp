#include "store/backup.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "store/describe.hpp"

namespace shoal::store {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr WallMs kNow = 1'738'319'400'000;  // 2025-01-31T10:30:00Z

struct BackupTest : testing::Test {
  BackupTest() {
    std::string pattern = (fs::temp_directory_path() / "shoal-backup-XXXXXX").string();
    root = ::mkdtemp(pattern.data());
    file = root + "/plant.backup";
    store = root + "/state/plant/store";
  }
  ~BackupTest() override { fs::remove_all(root); }

  /// An instance runs for a moment: a batch with a session and a retained message.
  void run(const std::string& payload, const std::string& at = "") {
    const std::string path = at.empty() ? store : at;
    auto log = open(path);
    ASSERT_TRUE(log);
    log->batch().put(SessionRecord{log->number(), "client-" + payload, 60, 0, {}});
    log->batch().put(MessageRecord{log->number(), 0, 1, "t/" + payload, {}, base::as_bytes(payload)});
    log->batch().put(Retained{log->number(), "t/" + payload});
    log->end_batch(kNow - 5);
  }
  static std::unique_ptr<Log> open(const std::string& path) {
    fs::create_directories(fs::path(path).parent_path());
    auto directory = open_directory(path);
    EXPECT_TRUE(directory) << directory.error().message;
    auto content = read_log(**directory);
    EXPECT_TRUE(content) << content.error().message;
    auto log = Log::open(std::move(*directory), {}, *content, kNow, nullptr);
    EXPECT_TRUE(log) << log.error().message;
    return std::move(*log);
  }
  static Reading look(const std::string& path) {
    auto content = read_running(path);
    EXPECT_TRUE(content) << content.error().message;
    return comes_to(std::move(*content));
  }
  static std::string text_of(const std::string& path) { return describe(look(path).image); }
  void back_up(const std::string& to = "") {
    const Reading reading = look(store);
    const auto done = write_backup(reading.image, reading.alive_until, kNow, to.empty() ? file : to);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(*done, fs::file_size(to.empty() ? file : to));
  }
  Result<Restored> restore(const std::string& to, bool force = false) { return restore_backup(file, to, force, kNow); }
  std::string why_not(const std::string& to = "", bool force = false) {
    const auto done = restore(to.empty() ? root + "/new/store" : to, force);
    return done ? "it was restored" : done.error().message;
  }
  void change(const std::function<void(std::string& bytes)>& how) {
    std::ifstream in(file, std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(in), {}};
    how(bytes);
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
  }
  std::set<std::string> names(const std::string& folder) const {
    std::set<std::string> found;
    for (const auto& each : fs::directory_iterator(folder)) found.insert(each.path().filename().string());
    return found;
  }

  std::string root, file, store;
};

TEST_F(BackupTest, ComesToTheSameInAnotherStore) {
  run("1");
  run("2");
  back_up();
  const std::string other = root + "/elsewhere/lab/store";
  const auto done = restore(other);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->totals.sessions, 2u);
  EXPECT_EQ(done->kept_aside, "");
  EXPECT_EQ(text_of(other), text_of(store));
  EXPECT_THAT(names(other), ElementsAre("0000000000000001.log"));
  EXPECT_EQ(look(other).alive_until, kNow - 5) << "sessions expire from when the instance was there";
  // And it goes on from there.
  run("3", other);
  EXPECT_THAT(text_of(other), HasSubstr("retained t/3=3"));
  EXPECT_THAT(text_of(other), HasSubstr("retained t/1=1"));
}

TEST_F(BackupTest, IsMadeOfAStoreInUse) {
  run("1");
  const auto log = open(store);
  log->batch().put(SessionRecord{9, "meanwhile", 60, 0, {}});
  log->end_batch(kNow);
  back_up();
  auto read = read_backup(file);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_THAT(read->report.damages, IsEmpty());
  EXPECT_THAT(describe(comes_to(std::move(*read)).image), HasSubstr("session meanwhile"));
}

TEST_F(BackupTest, OfNothingIsOneToo) {
  { const auto log = open(store); }
  back_up();
  const auto done = restore(root + "/new/store");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->totals, Totals());
}

TEST_F(BackupTest, IsItsOwnersAloneAndLeavesNothingBeside) {
  run("1");
  back_up();
  back_up();
  struct stat status {};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_THAT(names(root), ElementsAre("plant.backup", "state"));
}

TEST_F(BackupTest, ReplacesNothingButABackup) {
  run("1");
  const auto why = [&](const std::string& to) {
    const auto done = write_backup(Image(), 0, kNow, to);
    return done ? "it was written" : done.error().message;
  };
  std::ofstream(root + "/shoal.toml") << "[instances.plant] and much more, so that a header could be in it\n";
  EXPECT_EQ(why(root + "/shoal.toml"),
            root + "/shoal.toml exists and is not a backup; choose another name for the backup");
  std::ofstream(root + "/empty");
  EXPECT_EQ(why(root + "/empty"), "it was written");
  EXPECT_THAT(why(root), HasSubstr("is not a regular file"));
  EXPECT_THAT(why(store + "/0000000000000001.log"), HasSubstr("is how a store names its own files"));
  EXPECT_EQ(why(root + "/none/b"), "the backup " + root + "/none/b cannot be written: No such file or directory");
  EXPECT_THAT(text_of(store), HasSubstr("retained t/1=1"));
}

TEST_F(BackupTest, DamagedIsRefusedWithWhatIsWrong) {
  run("1");
  back_up();
  const std::string whole = [&] {
    std::ifstream in(file, std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(in), {}};
  }();
  const auto changed = [&](const std::function<void(std::string & bytes)>& how) {
    change([&](std::string& bytes) {
      bytes = whole;
      how(bytes);
    });
    return why_not();
  };
  const std::string damaged = "the backup " + file + " is damaged and not used: ";
  EXPECT_THAT(changed([](std::string& bytes) { bytes.clear(); }), damaged + "has no header: it is not a backup");
  EXPECT_THAT(changed([](std::string& bytes) { bytes[3] ^= 1; }), StartsWith(damaged + "has no header"));
  EXPECT_THAT(changed([](std::string& bytes) { bytes[kSegmentHeaderBytes + 40] ^= 1; }), StartsWith(damaged));
  EXPECT_THAT(changed([](std::string& bytes) { bytes += "xyz"; }), damaged + "has 3 bytes behind its end");
  EXPECT_EQ(changed([](std::string& bytes) { bytes[8] ^= 1; }),
            damaged + "has no header of a segment; nothing in it is used");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(changed([&](std::string& bytes) { bytes.resize(size); }), StartsWith(damaged)) << size;
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    EXPECT_THAT(changed([&](std::string& bytes) { bytes[at] ^= 4; }), StartsWith("the backup " + file)) << at;
  }
  EXPECT_FALSE(fs::exists(root + "/new/store")) << "nothing was touched";
  EXPECT_EQ(changed([](std::string&) {}), "it was restored");
}

TEST_F(BackupTest, OfANewerFormatIsRefused) {
  run("1");
  back_up();
  change([](std::string& bytes) {
    encode({.version = kFormatVersion + 1, .salt = 1, .number = 1, .created = 1}, reinterpret_cast<std::uint8_t*>(bytes.data()));
  });
  EXPECT_EQ(why_not(), "the backup " + file +
                           " was written by a newer Shoal (it has format 3, this one reads up to 2); use that version");
}

TEST_F(BackupTest, ASegmentOfAStoreIsNone) {
  run("1");
  fs::copy_file(store + "/0000000000000001.log", file);
  EXPECT_THAT(why_not(), HasSubstr("has no end: a part of it is missing"));
}

TEST_F(BackupTest, ThatIsNotThereOrAFolderIsSaid) {
  EXPECT_EQ(why_not(), "the backup " + file + " cannot be read: No such file or directory");
  fs::create_directory(file);
  EXPECT_EQ(why_not(), "the backup " + file + " cannot be read: Is a directory");
}

TEST_F(BackupTest, AStoreInUseIsNotRestored) {
  run("1");
  back_up();
  const auto log = open(store);
  const auto done = restore(store, true);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::unavailable);
  EXPECT_THAT(done.error().message, HasSubstr("is in use by pid " + std::to_string(::getpid())));
}

TEST_F(BackupTest, WhatIsThereIsKeptAsideWhenItIsToldTo) {
  run("1");
  back_up();
  run("2");
  std::ofstream(store + "/0000000000000000.log.bad") << "set aside";
  std::ofstream(store + "/000000000000000f.log.bad") << "set aside";
  const std::string before = text_of(store);
  EXPECT_EQ(why_not(store), "the store " + store + " is not empty: it has 2 sessions and 2 retained messages");
  EXPECT_EQ(text_of(store), before);
  for (const char* again : {"", "-2"}) {
    const auto done = restore(store, true);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(done->kept_aside, store + ".before-restore-20250131T103000Z" + again);
    EXPECT_THAT(text_of(store), HasSubstr("retained t/1=1"));
    EXPECT_EQ(text_of(store).find("t/2"), std::string::npos);
  }
  EXPECT_EQ(text_of(store + ".before-restore-20250131T103000Z"), before);
  EXPECT_THAT(names(store + ".before-restore-20250131T103000Z"),
              ElementsAre("0000000000000001.log", "000000000000000f.log.bad"));
}

TEST_F(BackupTest, AStoreThatWasOnlyStartedIsEmpty) {
  run("1");
  back_up();
  const std::string other = root + "/lab/store";
  {
    const auto log = open(other);
    log->batch().put(Alive{});
    log->end_batch(kNow);
  }
  const auto done = restore(other);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->kept_aside, "");
  EXPECT_EQ(text_of(other), text_of(store));
}

TEST_F(BackupTest, ADamagedStoreIsNotEmpty) {
  run("1");
  back_up();
  std::ofstream(store + "/0000000000000001.log", std::ios::trunc) << "something that is no log at all, and is long";
  EXPECT_EQ(why_not(store), "the store " + store + " is not empty: it is damaged");
  ASSERT_TRUE(restore(store, true));
  EXPECT_THAT(text_of(store), HasSubstr("retained t/1=1"));
}

TEST_F(BackupTest, WhatRootRestoresBelongsToWhoeverHasTheFolder) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  run("1");
  back_up();
  const std::string state = root + "/fleet";
  fs::create_directory(state);
  ASSERT_EQ(::chown(state.c_str(), 1234, 1235), 0);
  ASSERT_TRUE(restore(state + "/lab/store"));
  for (const char* path : {"/lab", "/lab/store", "/lab/store/0000000000000001.log"}) {
    struct stat status {};
    ASSERT_EQ(::stat((state + path).c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, 1234u) << path;
    EXPECT_EQ(status.st_gid, 1235u) << path;
  }
}

TEST_F(BackupTest, LargeOnesAreOfManyBatches) {
  {
    const auto log = open(store);
    const std::string payload(10'000, 'x');
    log->batch().put(SessionRecord{1, "c", 60, 0, {}});
    for (std::uint32_t i = 1; i <= 1000; ++i) {
      log->batch().put(MessageRecord{i, 0, 1, "t", {}, base::as_bytes(payload)});
      log->batch().put(Queued{1, i, {i, 1, false, 0, {}}});
    }
    log->end_batch(kNow);
  }
  back_up();
  auto read = read_backup(file);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_GT(read->report.batches, 8u);
  const std::string other = root + "/lab/store";
  ASSERT_TRUE(restore(other));
  EXPECT_EQ(text_of(other), text_of(store));
  { const auto log = open(other); }
  EXPECT_EQ(text_of(other), text_of(store)) << "also larger than a segment";
}

}  // namespace
}  // namespace shoal::store
