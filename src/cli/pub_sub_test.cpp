#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/app.hpp"
#include "cli/connection_options.hpp"
#include "cli/sub_command.hpp"
#include "io/socket.hpp"

namespace shoal::cli {
namespace {

mqtt::Publish message(std::string_view topic, std::string_view payload) {
  mqtt::Publish packet;
  packet.topic = topic;
  packet.payload = base::as_bytes(payload);
  packet.qos = 1;
  packet.retain = true;
  return packet;
}

TEST(SubJson, TextAsTextAndBytesInHex) {
  EXPECT_EQ(to_json_line(message("a/\"b\"", "21.5\n")),
            R"({"topic":"a/\"b\"","qos":1,"retain":true,"payload":"21.5\n"})");
  EXPECT_EQ(to_json_line(message("a", std::string_view("\xff\x00", 2))),
            R"({"topic":"a","qos":1,"retain":true,"payload_hex":"ff00"})");
}

/// The command line, without a controller or a broker.
class PubSub : public testing::Test {
 protected:
  ~PubSub() override { ::unsetenv("SHOAL_PASSWORD"); }

  int shoal(std::vector<const char*> words) {
    words.insert(words.begin(), "shoal");
    err_.str("");
    context_.exit_code = kDone;
    return run_app(static_cast<int>(words.size()), words.data(), context_);
  }

  std::istringstream in_;
  std::ostringstream out_;
  std::ostringstream err_;
  Context context_{.in = in_, .out = out_, .err = err_, .home_env = "/nonexistent"};
};

TEST_F(PubSub, WhatIsWrongOnTheCommandLineIsUsage) {
  const std::vector<const char*> wrong[] = {
      {"pub", "-m", "x"},
      {"pub", "-t", "a"},
      {"pub", "-t", "a", "-m", "x", "-n"},
      {"pub", "-t", "a/+", "-m", "x"},
      {"pub", "-t", "", "-m", "x"},
      {"pub", "-t", "a", "-m", "x", "-q", "3"},
      {"pub", "-t", "a", "-m", "x", "-V", "4"},
      {"pub", "-t", "a", "-m", "x", "-p", "0"},
      {"pub", "-t", "a", "-m", "x", "-i", "lab", "-p", "1883"},
      {"pub", "-t", "a", "-m", "x", "--will-payload", "y"},
      {"pub", "-t", "a", "-m", "x", "--will-topic", "#"},
      {"pub", "-t", "a", "-l", "-u", "ann", "--password-stdin"},
      {"sub"},
      {"sub", "-t", "a/#/b"},
      {"sub", "-t", "$share/g"},
      {"sub", "-t", "a", "-C", "0"},
      {"sub", "-t", "a", "-V", "3", "--password-file", "/dev/null"},
  };
  for (const auto& words : wrong) {
    EXPECT_NE(shoal(words), kDone) << words.back();
    EXPECT_TRUE(err_.str().starts_with("shoal: ")) << err_.str();
    EXPECT_EQ(err_.str().find('\n'), err_.str().size() - 1) << err_.str();
  }
}

TEST_F(PubSub, AFileThatCannotBeReadIsOneLine) {
  EXPECT_EQ(shoal({"pub", "-t", "a", "-f", "/"}), kFailed);
  EXPECT_EQ(err_.str(), "shoal: cannot read file /: Is a directory\n");
  EXPECT_EQ(shoal({"pub", "-t", "a", "-f", "/dev/zero"}), kFailed);
  EXPECT_EQ(err_.str(), "shoal: file /dev/zero is larger than MQTT allows\n");
  EXPECT_EQ(shoal({"pub", "-t", "a", "-m", "x", "-u", "ann", "--password-file", "/"}), kFailed);
  EXPECT_EQ(err_.str(), "shoal: cannot read the password from file /: Is a directory\n");
}

TEST_F(PubSub, APasswordOnTheCommandLineIsRefusedWithTheOtherWays) {
  EXPECT_EQ(shoal({"pub", "-t", "a", "-m", "x", "-u", "ann", "-P", "secret"}), kUsage);
  EXPECT_NE(err_.str().find("--password-file FILE"), std::string::npos) << err_.str();
  EXPECT_EQ(err_.str().find("secret"), std::string::npos) << err_.str();
}

TEST_F(PubSub, AnInstanceNeedsTheController) { EXPECT_EQ(shoal({"sub", "-i", "lab", "-t", "a"}), kNotRunning); }

TEST_F(PubSub, ABrokerThatIsNotThereIsOneLine) {
  std::string port;
  {
    const auto listener = io::listen_on(*io::Endpoint::parse("mqtt://127.0.0.1:0"));
    ASSERT_TRUE(listener);
    port = std::to_string(io::Endpoint::local(listener->get()).port());
  }
  const std::string expected =
      "shoal: 127.0.0.1:" + port + ": cannot connect to 127.0.0.1:" + port + ": Connection refused\n";
  EXPECT_EQ(shoal({"pub", "-h", "127.0.0.1", "-p", port.c_str(), "-t", "a", "-m", "x"}), kFailed);
  EXPECT_EQ(err_.str(), expected);
  EXPECT_EQ(shoal({"sub", "-h", "127.0.0.1", "-p", port.c_str(), "-t", "a"}), kFailed);
  EXPECT_EQ(err_.str(), expected);
}

TEST_F(PubSub, ThePasswordComesFromStdinAFileOrTheEnvironment) {
  ::setenv("SHOAL_PASSWORD", "from environment", 1);
  ConnectionOptions options{.user = "ann"};
  auto made = client_options(context_, options);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->user, "ann");
  EXPECT_EQ(made->password, "from environment");
  EXPECT_EQ(made->version, mqtt::Version::v5);

  in_.str("from stdin\nnot this\n");
  options.password.from_stdin = true;
  options.version = "3";
  made = client_options(context_, options);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->password, "from stdin");
  EXPECT_EQ(made->version, mqtt::Version::v3_1_1);

  options.password = {.file = "/nonexistent/password"};
  EXPECT_FALSE(client_options(context_, options));
  EXPECT_EQ(context_.exit_code, kFailed);

  made = client_options(context_, {});
  ASSERT_TRUE(made);
  EXPECT_FALSE(made->user);
  EXPECT_FALSE(made->password);
  EXPECT_FALSE(made->will);
}

TEST_F(PubSub, TheWillHasItsOptions) {
  const auto made = client_options(context_, {.will = {"gone", "bye", 0, true}, .will_qos = 2});
  ASSERT_TRUE(made && made->will);
  EXPECT_EQ(made->will->topic, "gone");
  EXPECT_EQ(made->will->qos, 2);
  EXPECT_TRUE(made->will->retain);
}

}  // namespace
}  // namespace shoal::cli
