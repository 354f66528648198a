#include "cli/store_command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "store/log.hpp"

namespace shoal::cli {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

/// A home with the instances lab and plant, and memory, which keeps nothing; no controller.
class StoreCommandTest : public testing::Test {
 protected:
  StoreCommandTest() {
    std::string name = (fs::temp_directory_path() / "shoal-store-command-XXXXXX").string();
    home = ::mkdtemp(name.data());
    std::ofstream config(home + "/shoal.toml");
    for (const char* instance : {"lab", "plant", "memory"}) {
      config << "[instances." << instance
             << "]\nlisteners = [\"mqtt://127.0.0.1:auto\"]\nauth = { anonymous = true }\n";
    }
    config << "persistence = \"none\"\n";
    file = home + "/lab.backup";
  }
  ~StoreCommandTest() override { fs::remove_all(home); }

  std::string store_of(const std::string& instance) const { return home + "/state/" + instance + "/store"; }

  std::unique_ptr<store::Log> open(const std::string& instance) const {
    fs::create_directories(home + "/state");
    auto directory = store::open_directory(store_of(instance));
    EXPECT_TRUE(directory) << directory.error().message;
    auto content = store::read_log(**directory);
    EXPECT_TRUE(content) << content.error().message;
    auto log = store::Log::open(std::move(*directory), {}, *content, 1000, nullptr);
    EXPECT_TRUE(log) << log.error().message;
    return std::move(*log);
  }
  /// The instance has a session with a subscription and a message that waits, and a retained message.
  void fill(const std::string& instance) const {
    const auto log = open(instance);
    log->batch().put(store::SessionRecord{1, "pump", 3600, 0, {}});
    log->batch().put(store::SubscriptionRecord{1, "t/#", 1, false, false, 0});
    log->end_batch(1'738'319'400'123);
    log->batch().put(store::MessageRecord{1, 0, 1, "t/1", {}, base::as_bytes("hello")});
    log->batch().put(store::Queued{1, 0, {1, 1, false, 0, {}}});
    log->batch().put(store::MessageRecord{2, 0, 1, "t/2", {}, base::as_bytes("kept")});
    log->batch().put(store::Retained{2, "t/2"});
    log->end_batch(1'738'319'400'456);
  }

  template <class Command, class... Arguments>
  int run(Command command, const Arguments&... arguments) {
    out.str("");
    err.str("");
    Context context{.in = in, .out = out, .err = err, .home_env = home};
    command(context, arguments...);
    return context.exit_code;
  }
  int inspect(const std::string& what, InspectForm form = InspectForm::totals) {
    return run(inspect_store, what, form);
  }
  int check(const std::string& what) { return run(check_store, what); }

  void change(const std::string& path, const std::function<void(std::string& bytes)>& how) {
    std::ifstream stream(path, std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(stream), {}};
    how(bytes);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }

  std::string home, file;
  std::istringstream in;
  std::ostringstream out, err;
};

TEST_F(StoreCommandTest, BackupOfOneIsRestoredIntoAnother) {
  fill("lab");
  ASSERT_EQ(run(back_up, "lab", file), kDone) << err.str();
  EXPECT_THAT(out.str(), StartsWith("lab: 1 session, 1 retained message, 2 messages in all, in "));
  EXPECT_THAT(out.str(), HasSubstr(" bytes written to " + file + "\n"));
  ASSERT_EQ(run(restore, "plant", file, false), kDone) << err.str();
  EXPECT_EQ(out.str(), "plant: 1 session, 1 retained message, 2 messages in all, restored from " + file + "\n");
  ASSERT_EQ(inspect("lab", InspectForm::all), kDone);
  const std::string lab = out.str();
  EXPECT_THAT(lab, HasSubstr("session pump waiting 0 t/1=hello q1 as q1\n"));
  ASSERT_EQ(inspect("plant", InspectForm::all), kDone);
  EXPECT_EQ(out.str(), lab);
  ASSERT_EQ(inspect(file, InspectForm::all), kDone);
  EXPECT_EQ(out.str(), lab);
}

TEST_F(StoreCommandTest, RestoreKeepsWhatIsThereOnlyAsideAndWhenTold) {
  fill("lab");
  run(back_up, "lab", file);
  EXPECT_EQ(run(restore, "lab", file, false), kFailed);
  EXPECT_EQ(err.str(), "shoal: the store " + store_of("lab") +
                           " is not empty: it has 1 session and 1 retained message; --force keeps that aside\n");
  EXPECT_EQ(run(restore, "lab", file, true), kDone);
  EXPECT_THAT(out.str(), HasSubstr("\nwhat was there before is in " + store_of("lab") + ".before-restore-2"));
}

TEST_F(StoreCommandTest, RestoreIntoAStoreInUseIsRefused) {
  fill("lab");
  run(back_up, "lab", file);
  const auto log = open("lab");
  EXPECT_EQ(run(restore, "lab", file, true), kFailed);
  EXPECT_THAT(err.str(), HasSubstr("is in use by pid " + std::to_string(::getpid())));
}

TEST_F(StoreCommandTest, WhoHasNoStoreIsTold) {
  EXPECT_EQ(run(back_up, "memory", file), kFailed);
  EXPECT_EQ(err.str(), "shoal: " + home + "/shoal.toml:7:12: instance memory has persistence = \"none\" and keeps " +
                           "nothing; write \"crash_safe\" or \"power_safe\"\n");
  EXPECT_EQ(run(restore, "memory", file, false), kFailed);
  EXPECT_EQ(run(back_up, "lab", file), kFailed);
  EXPECT_EQ(err.str(), "shoal: the store " + store_of("lab") +
                           " cannot be opened: No such file or directory; instance lab has never run\n");
  EXPECT_EQ(run(back_up, "lob", file), kNoSuchInstance);
  EXPECT_THAT(err.str(), HasSubstr("is it lab?"));
  EXPECT_EQ(run(restore, "lob", file, false), kNoSuchInstance);
  EXPECT_FALSE(fs::exists(file));
}

TEST_F(StoreCommandTest, ADamagedBackupIsRefused) {
  fill("lab");
  run(back_up, "lab", file);
  change(file, [](std::string& bytes) { bytes.resize(bytes.size() - 1); });
  EXPECT_EQ(run(restore, "plant", file, false), kFailed);
  EXPECT_EQ(err.str(), "shoal: the backup " + file + " is damaged and not used: has no end: a part of it is missing\n");
  EXPECT_EQ(check(file), kFailed);
  EXPECT_EQ(err.str(), file + ": has no end: a part of it is missing\n");
}

TEST_F(StoreCommandTest, ABackupOfADamagedStoreHasTheRestAndFails) {
  fill("lab");
  change(store_of("lab") + "/0000000000000001.log", [](std::string& bytes) { bytes[60] ^= 1; });
  EXPECT_EQ(run(back_up, "lab", file), kFailed);
  EXPECT_EQ(err.str(), "shoal: the store " + store_of("lab") + " is damaged, and " + file +
                           " has only what could be read of it; see `shoal store check lab`\n");
  EXPECT_EQ(check(file), kDone) << err.str();
  EXPECT_EQ(inspect(file, InspectForm::all), kDone);
  EXPECT_EQ(out.str(), "retained t/2=kept q1\n");
}

TEST_F(StoreCommandTest, TotalsOfAStore) {
  fill("lab");
  for (const std::string& what : {std::string("lab"), store_of("lab"), home + "/state/lab"}) {
    ASSERT_EQ(inspect(what), kDone) << err.str();
    EXPECT_THAT(out.str(), StartsWith("store            " + store_of("lab") + "\nformat           2\n"));
    EXPECT_THAT(out.str(), HasSubstr("\nsessions         1\nsubscriptions    1\nqueued           1\n"));
    EXPECT_THAT(out.str(), HasSubstr("\nlast written     2025-01-31T10:30:00.456Z\ndamage           none\n"));
  }
  ASSERT_EQ(inspect("lab", InspectForm::json), kDone);
  const auto json = boost::json::parse(out.str()).as_object();
  EXPECT_EQ(json.at("messages"), 2);
  EXPECT_EQ(json.at("batches"), 2);
  EXPECT_EQ(json.at("last_written_ms"), 1'738'319'400'456);
  EXPECT_EQ(json.at("missing").at("sessions"), 0);
  EXPECT_TRUE(json.at("damages").as_array().empty());
}

TEST_F(StoreCommandTest, RecordsAsTheyWereWritten) {
  fill("lab");
  ASSERT_EQ(inspect("lab", InspectForm::records), kDone);
  EXPECT_EQ(out.str(),
            "0000000000000001.log: segment 1, format 2, made 1970-01-01T00:00:01.000Z\n"
            "  batch 1 at byte 40: 19 bytes, 2025-01-31T10:30:00.123Z\n"
            "    session 1 client=pump expiry=3600 since=0\n"
            "    subscription session=1 filter=t/# qos=1 id=0\n"
            "  batch 2 at byte 83: 40 bytes, 2025-01-31T10:30:00.456Z\n"
            "    message 1 qos=1 expires=0 topic=t/1 properties=0 payload=hello\n"
            "    queued session=1 sequence=0 message=1 qos=1\n"
            "    message 2 qos=1 expires=0 topic=t/2 properties=0 payload=kept\n"
            "    retained message=2 topic=t/2\n");
}

TEST_F(StoreCommandTest, CheckTellsWhatIsDamagedAndWhatIsMissing) {
  fill("lab");
  EXPECT_EQ(check("lab"), kDone);
  EXPECT_EQ(out.str(), store_of("lab") + ": sound, 1 segment, 2 batches\n");
  const std::string segment = store_of("lab") + "/0000000000000001.log";
  change(segment, [](std::string& bytes) { bytes += "torn"; });
  EXPECT_EQ(check("lab"), kDone);
  EXPECT_EQ(out.str(), store_of("lab") + ": sound, 1 segment, 2 batches, 4 bytes of one that was not finished\n");
  change(segment, [](std::string& bytes) { bytes[60] ^= 1; });
  EXPECT_EQ(check("lab"), kFailed);
  EXPECT_THAT(out.str(), IsEmpty());
  EXPECT_EQ(err.str(), segment + ": 43 bytes before byte 83 cannot be read\n" + store_of("lab") +
                           ": 1 sessions that something refers to are missing\n");
  EXPECT_EQ(inspect("lab"), kDone);
  EXPECT_THAT(out.str(), HasSubstr("\nmissing sessions  1\n"));
  EXPECT_THAT(out.str(), HasSubstr("0000000000000001.log 43 bytes before byte 83 cannot be read\n"));
}

TEST_F(StoreCommandTest, WhatIsNotThereIsSaid) {
  EXPECT_EQ(inspect("lab"), kFailed);
  EXPECT_EQ(err.str(), "shoal: the store " + store_of("lab") +
                           " cannot be opened: No such file or directory; its instance has never run, or keeps " +
                           "nothing\n");
  EXPECT_EQ(check("lob"), kNoSuchInstance);
  EXPECT_THAT(err.str(), HasSubstr("is it lab?"));
  EXPECT_EQ(check(home + "/none"), kFailed);
  EXPECT_EQ(err.str(),
            "shoal: " + home + "/none does not exist; name an instance, the folder of a store, or a backup\n");
}

}  // namespace
}  // namespace shoal::cli
