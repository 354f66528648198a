#include "cli/app.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace shoal::cli {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

/// The whole command line on a home folder with two instances and no controller.
class AppTest : public testing::Test {
 protected:
  AppTest() {
    std::string name = (fs::temp_directory_path() / "shoal-app-XXXXXX").string();
    home = ::mkdtemp(name.data());
    write("shoal.toml",
          "[instances.plant]\nlisteners = [\"mqtt://127.0.0.1:auto\"]\nauth = { anonymous = true }\n"
          "[instances.lab]\nlisteners = [\"mqtt://127.0.0.1:auto\"]\nauth = { anonymous = true }\n");
  }
  ~AppTest() override { fs::remove_all(home); }

  void write(const std::string& file, const std::string& text) const {
    fs::create_directories((home / file).parent_path());
    std::ofstream(home / file, std::ios::app) << text;
  }

  int shoal(std::vector<std::string> words) {
    out.str("");
    err.str("");
    Context context{.in = in, .out = out, .err = err, .home_env = home.string(), .version = "1.2.3"};
    std::vector<const char*> arguments{"shoal"};
    for (const std::string& word : words) arguments.push_back(word.c_str());
    return run_app(static_cast<int>(arguments.size()), arguments.data(), context);
  }
  std::size_t error_lines() const {
    const std::string text = err.str();
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }

  fs::path home;
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
};

TEST_F(AppTest, WrongUsageIsOneLineThatNamesTheHelp) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{},
                                             {"frobnicate"},
                                             {"ps", "--nonsense"},
                                             {"status"},
                                             {"start"},
                                             {"stop", "a", "--all"},
                                             {"logs"},
                                             {"down", "--timeout", "0"},
                                             {"logs", "lab", "-n", "x"},
                                             {"logs", "lab", "-n", "-1"},
                                             {"users"},
                                             {"--nonsense"},
                                             {"logs", "lab", "--since", "tomorrow"}}) {
    EXPECT_EQ(shoal(words), kUsage);
    EXPECT_EQ(error_lines(), 1u) << err.str();
    EXPECT_THAT(err.str(), StartsWith("shoal: "));
    EXPECT_THAT(out.str(), IsEmpty());
  }
  shoal({"start"});
  EXPECT_EQ(err.str(), "shoal: NAME or --all is required; see `shoal start --help`\n");
}

TEST_F(AppTest, AnUnknownCommandIsNamedWithTheNearest) {
  EXPECT_EQ(shoal({"pss", "--json"}), kUsage);
  EXPECT_EQ(err.str(), "shoal: unknown command \"pss\"; did you mean \"ps\"? See `shoal --help`\n");
  EXPECT_EQ(shoal({"users", "list", "lab"}), kUsage);
  EXPECT_EQ(err.str(), "shoal: unknown command \"list\"; there are: add, rm, ls; see `shoal users --help`\n");
  EXPECT_EQ(shoal({"users", "add", "lab"}), kUsage);
  EXPECT_EQ(err.str(), "shoal: USER is required; see `shoal users add --help`\n");
}

TEST_F(AppTest, AResultThatCannotBeWrittenIsAFailure) {
  out.setstate(std::ios::badbit);
  EXPECT_EQ(shoal({"check"}), kFailed);
  EXPECT_EQ(err.str(), "shoal: the output cannot be written\n");
}

TEST_F(AppTest, WhatCannotBeANameIsNoInstance) {
  for (const char* command : {"status", "start", "stop", "restart"}) {
    for (const char* name : {"", "a b", "a/b", "a!b", "a\nb"}) {
      EXPECT_EQ(shoal({command, name}), kNoSuchInstance);
      EXPECT_EQ(error_lines(), 1u) << err.str();
    }
  }
}

TEST_F(AppTest, HelpAndVersionAreResults) {
  EXPECT_EQ(shoal({"--help"}), kDone);
  EXPECT_THAT(out.str(), HasSubstr("restart"));
  EXPECT_EQ(shoal({"ps", "--help"}), kDone);
  EXPECT_THAT(out.str(), HasSubstr("shoal ps"));
  EXPECT_EQ(shoal({"--version"}), kDone);
  EXPECT_EQ(out.str(), "shoal 1.2.3\n");
  EXPECT_EQ(shoal({"version"}), kDone);
  EXPECT_EQ(out.str(), "shoal 1.2.3\n");
  EXPECT_EQ(shoal({"version", "--json"}), kDone);
  EXPECT_EQ(out.str(), "{\"version\":\"1.2.3\"}\n");
}

TEST_F(AppTest, WithoutAControllerCommandsSaySo) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{{"ps"},
                                                                                     {"ps", "--json"},
                                                                                     {"status", "lab"},
                                                                                     {"start", "lab"},
                                                                                     {"stop", "lab", "plant"},
                                                                                     {"restart", "--all"},
                                                                                     {"down"}}) {
    EXPECT_EQ(shoal(words), kNotRunning);
    EXPECT_EQ(error_lines(), 1u) << err.str();
    EXPECT_THAT(err.str(), HasSubstr("shoal up -d"));
    EXPECT_THAT(out.str(), IsEmpty());
  }
}

TEST_F(AppTest, WithoutAControllerAFileThatIsWrongIsTheReason) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"ps"}, {"stop", "lab", "plant"}, {"down"}}) {
    std::vector<std::string> elsewhere{"-c", "/nonexistent/shoal.toml"};
    elsewhere.insert(elsewhere.end(), words.begin(), words.end());
    EXPECT_EQ(shoal(elsewhere), kNotRunning);
    EXPECT_EQ(error_lines(), 1u) << err.str();
    EXPECT_THAT(err.str(), HasSubstr("control.sock; /nonexistent/shoal.toml: cannot read this file"));
  }
}

TEST_F(AppTest, CheckTellsEveryProblem) {
  EXPECT_EQ(shoal({"check"}), kDone);
  EXPECT_THAT(out.str(), HasSubstr("shoal.toml: ok, 2 instances, 2 listeners"));
  write("shoal.toml", "wrong = 1\nfalse_too = 2\n");
  EXPECT_EQ(shoal({"check"}), kFailed);
  EXPECT_THAT(err.str(), HasSubstr("shoal.toml:7:1: "));
  EXPECT_THAT(err.str(), HasSubstr("shoal.toml:8:1: "));
  EXPECT_EQ(shoal({"up", "-d"}), kFailed);
  EXPECT_FALSE(fs::exists(home / "log")) << "nothing was touched";
}

TEST_F(AppTest, TheFileIsAcceptedBeforeAndBehindTheCommand) {
  write("other.toml", "[instances.x]\nlisteners = [\"mqtt://127.0.0.1:auto\"]\nauth = { anonymous = true }\n");
  const std::string other = (home / "other.toml").string();
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"-c", other, "check"}, {"check", "-c", other}, {"check", "--config=" + other}}) {
    EXPECT_EQ(shoal(words), kDone);
    EXPECT_THAT(out.str(), HasSubstr("other.toml: ok, 1 instance, 1 listener\n"));
  }
}

TEST_F(AppTest, LogsAreMergedByTimeAndLimited) {
  write("log/lab.log", "2025-01-31T10:00:00.000Z info  one\nno stamp\n2025-01-31T10:00:02.000Z info  three\n");
  write("log/plant.log", "2025-01-31T10:00:01.000Z info  two\nhalf a li");
  EXPECT_EQ(shoal({"logs", "lab", "plant"}), kDone);
  EXPECT_EQ(out.str(),
            "lab   | 2025-01-31T10:00:00.000Z info  one\n"
            "lab   | no stamp\n"
            "plant | 2025-01-31T10:00:01.000Z info  two\n"
            "lab   | 2025-01-31T10:00:02.000Z info  three\n");
  EXPECT_EQ(shoal({"logs", "lab", "--since", "2025-01-31T10:00:01"}), kDone);
  EXPECT_EQ(out.str(), "2025-01-31T10:00:02.000Z info  three\n");
  EXPECT_EQ(shoal({"logs", "-n", "1", "plant", "lab"}), kDone);
  EXPECT_EQ(out.str(), "lab   | 2025-01-31T10:00:02.000Z info  three\n");
  write("log/controller.log", "2025-01-31T10:00:01.000Z info  controller started\n");
  EXPECT_EQ(shoal({"logs", "controller"}), kDone);
  EXPECT_THAT(out.str(), HasSubstr("controller started"));
}

TEST_F(AppTest, ALogThatCannotBeReadIsAFailureAndTheOthersAreShown) {
  write("log/lab.log", "2025-01-31T10:00:00.000Z info  one\n");
  EXPECT_EQ(shoal({"logs", "plant", "lab"}), kFailed);
  EXPECT_EQ(err.str(),
            "shoal: the log " + (home / "log/plant.log").string() + " cannot be read: No such file or directory\n");
  EXPECT_THAT(out.str(), HasSubstr("info  one"));
  fs::create_directory(home / "log/plant.log");
  EXPECT_EQ(shoal({"logs", "plant", "-f"}), kFailed);
  EXPECT_THAT(err.str(), HasSubstr("cannot be read: Is a directory\n"));
}

TEST_F(AppTest, TheLastLinesOfALongLogAreFound) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "2025-01-31T10:00:00.000Z info  line " + std::to_string(i) + '\n';
  write("log/lab.log", text);
  EXPECT_EQ(shoal({"logs", "lab", "-n", "2"}), kDone);
  EXPECT_EQ(out.str(), "2025-01-31T10:00:00.000Z info  line 4998\n2025-01-31T10:00:00.000Z info  line 4999\n");
  EXPECT_EQ(shoal({"logs", "lab", "-n", "0"}), kDone);
  EXPECT_THAT(out.str(), IsEmpty());
}

TEST_F(AppTest, LogsOfAnUnknownInstanceAre4AndSuggestOne) {
  EXPECT_EQ(shoal({"logs", "plnt"}), kNoSuchInstance);
  EXPECT_EQ(error_lines(), 1u);
  EXPECT_THAT(err.str(), HasSubstr("is it plant?"));
}

// docs/reference/commands.md is the help of every command. SHOAL_WRITE_REFERENCE=1 writes it anew.
class CommandReference : public testing::Test {
 protected:
  static void append(std::string& text, const CLI::App& command, const std::string& parent) {
    const std::string name = parent + ' ' + command.get_name();
    const auto nested = command.get_subcommands({});
    if (nested.empty()) {
      std::string help = command.help(parent);
      while (help.ends_with('\n')) help.pop_back();
      text += "## " + name + "\n\n```text\n" + help + "\n```\n\n";
    }
    for (const CLI::App* inner : nested) append(text, *inner, name);
  }

  static std::string reference() {
    std::istringstream in;
    std::ostringstream out;
    Context context{.in = in, .out = out, .err = out};
    const auto app = make_app(context);
    std::string text =
        "# Commands\n\n"
        "Every command accepts `-c FILE`. Without it, `SHOAL_CONFIG` names the file; else it is "
        "`$SHOAL_HOME/shoal.toml`\n"
        "or `/etc/shoal/shoal.toml`. With `SHOAL_HOME=DIR`, state, logs and sockets are under DIR too.\n\n"
        "Results are on standard output; errors are one line each on standard error.\n\n"
        "| exit code | meaning |\n|---|---|\n"
        "| 0 | done |\n| 1 | failed; one line on standard error says what, where and what to do |\n| 2 | wrong usage "
        "|\n"
        "| 3 | the fleet is not running |\n| 4 | there is no such instance, or client |\n| 5 | it is so already |\n\n";
    for (const CLI::App* command : app->get_subcommands({})) append(text, *command, "shoal");
    text.pop_back();
    return text;
  }
};

TEST_F(CommandReference, IsWhatTheCommandsSay) {
  const fs::path file = fs::path(__FILE__).parent_path() / "../../docs/reference/commands.md";
  if (std::getenv("SHOAL_WRITE_REFERENCE") != nullptr) std::ofstream(file) << reference();
  std::ifstream stream(file);
  const std::string written{std::istreambuf_iterator<char>(stream), {}};
  EXPECT_EQ(written, reference())
      << "write it anew: SHOAL_WRITE_REFERENCE=1 cli_test --gtest_filter=CommandReference.*";
}

}  // namespace
}  // namespace shoal::cli
