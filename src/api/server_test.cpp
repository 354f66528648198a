#include "api/server.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include "api/client.hpp"
#include "base/unique_fd.hpp"

namespace shoal::api {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::StartsWith;

/// Keeps replies until it is told to answer.
struct SlowService : Service {
  std::vector<Apply> applies;
  std::vector<Edit> edits;
  std::string version() const override { return "1.2.3"; }
  void list(Reply<std::vector<Instance>> reply) override { pending.push_back(std::move(reply)); }
  void list_with_stats(Reply<std::vector<Instance>> reply) override { reply(std::vector<Instance>{}); }
  void get(const std::string& name, Reply<Instance> reply) override {
    Instance instance;
    instance.name = name;
    reply(instance);
  }
  void act(const std::string&, Verb, milliseconds, Reply<Acted> reply) override {
    reply(Failure{409, "already_so", "so"});
  }
  void edit(const Edit& edit, Reply<Applied> reply) override {
    edits.push_back(edit);
    reply(Applied{});
  }
  void apply(const Apply& how, Reply<Applied> reply) override {
    applies.push_back(how);
    reply(Applied{});
  }
  void set_log_level(const std::string&, LogLevel level, Reply<LogLevel> reply) override { reply(level); }
  void clients(const std::string&, std::uint64_t, std::uint64_t, Reply<ClientPage> reply) override {
    reply(ClientPage{});
  }
  void disconnect(const std::string&, const std::string&, Reply<Done> reply) override { reply(Done{}); }
  void events(std::uint64_t, milliseconds, Reply<EventPage> reply) override { reply(EventPage{}); }
  void limits(const std::string&, Reply<std::vector<Limit>> reply) override { reply(std::vector<Limit>{}); }
  void metrics(Reply<std::string> reply) override { reply("shoal_up 1\n"); }
  std::vector<NotReady> not_ready() const override { return {}; }
  void shutdown() override {}
  std::vector<Reply<std::vector<Instance>>> pending;
};

class ServerTest : public testing::Test {
 protected:
  void SetUp() override {
    folder = ::mkdtemp(pattern);
    path = folder + "/control.sock";
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  /// Runs `body` beside the server's thread.
  void serve(ServerOptions options, const std::function<void()>& body) {
    options.path = path;
    boost::asio::io_context context;
    Server server(context, options, service);
    ASSERT_TRUE(server.open().ok());
    auto work = boost::asio::make_work_guard(context);
    {
      std::jthread thread([&] { context.run(); });
      body();
      context.stop();
    }
    service.pending.clear();
  }

  base::UniqueFd connect() const {
    base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  /// All that comes until the end.
  static std::string exchange(int fd, const std::string& bytes) {
    EXPECT_EQ(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
    std::string answer;
    char chunk[4096];
    for (ssize_t got; (got = ::recv(fd, chunk, sizeof chunk, 0)) > 0;) answer.append(chunk, static_cast<size_t>(got));
    return answer;
  }

  char pattern[32] = "/tmp/shoal-api-XXXXXX";
  std::string folder;
  std::string path;
  SlowService service;
};

TEST_F(ServerTest, AnswersItsOwnClient) {
  serve({}, [&] {
    struct stat status {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
    const auto version = call(path, {.target = "/v1/version"}, seconds(10));
    ASSERT_TRUE(version.ok()) << version.error().message;
    EXPECT_EQ(version->status, 200);
    EXPECT_EQ(version->body, R"({"version":"1.2.3","api":1})");
    EXPECT_EQ(call(path, {.method = "POST", .target = "/v1/instances/a/stop"}, seconds(10))->status, 409);
  });
  EXPECT_FALSE(std::filesystem::exists(path));
  const auto nobody = call(path, {.target = "/v1/version"}, seconds(10));
  ASSERT_FALSE(nobody.ok());
  EXPECT_EQ(nobody.error().code, ErrorCode::unavailable);
}

TEST_F(ServerTest, TakesThePlaceOfASocketThatACrashLeft) {
  {
    base::UniqueFd left(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    ASSERT_EQ(::bind(left.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  serve({}, [&] { EXPECT_TRUE(call(path, {.target = "/v1/version"}, seconds(10)).ok()); });
}

// One at a time is answered all the same; the rest has to wait until there are some again.
TEST_F(ServerTest, WithoutDescriptorsOneCanStillAsk) {
  serve({}, [&] {
    ASSERT_TRUE(call(path, {.target = "/v1/version"}, seconds(10)).ok());
    const base::UniqueFd waiting(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const rlimit few{.rlim_cur = static_cast<rlim_t>(waiting.get()) + 1, .rlim_max = before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
    std::vector<base::UniqueFd> others;
    do others.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    while (others.back());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    ASSERT_EQ(::connect(waiting.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const timeval limit{10, 0};
    ::setsockopt(waiting.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    const std::string answer = exchange(waiting.get(), "GET /v1/version HTTP/1.1\r\nConnection: close\r\n\r\n");
    ::setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  });
}

TEST_F(ServerTest, TheClientDoesNotWaitForever) {
  serve({}, [&] {
    const auto answer = call(path, {.target = "/v1/instances"}, milliseconds(50));
    ASSERT_FALSE(answer.ok());
    EXPECT_THAT(answer.error().message, HasSubstr("in time"));
  });
}

TEST_F(ServerTest, KeepsAConnectionForTheNextRequest) {
  serve({}, [&] {
    const std::string answers = exchange(connect().get(),
                                         "GET /v1/instances/a HTTP/1.1\r\n\r\n"
                                         "GET /v1/instances/b HTTP/1.1\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(answers, HasSubstr(R"("name":"a")"));
    EXPECT_THAT(answers, HasSubstr(R"("name":"b")"));
  });
}

TEST_F(ServerTest, RefusesWhatIsTooLargeOrNoHttp) {
  serve({.path = {}, .body_bytes_max = 100, .header_bytes_max = 1000}, [&] {
    EXPECT_THAT(exchange(connect().get(), "POST /v1/shutdown HTTP/1.1\r\nContent-Length: 101\r\n\r\n"),
                StartsWith("HTTP/1.1 413"));
    EXPECT_THAT(exchange(connect().get(), "GET / HTTP/1.1\r\nX: " + std::string(1000, 'x')),
                StartsWith("HTTP/1.1 431"));
    EXPECT_THAT(exchange(connect().get(), "garbage\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  });
}

TEST_F(ServerTest, ClosesIdleConnections) {
  serve({.path = {}, .idle_limit = seconds(0)}, [&] {
    const base::UniqueFd fd = connect();
    (void)::send(fd.get(), "GET /v1", 7, MSG_NOSIGNAL);  // it may be closed by now
    char byte = 0;
    EXPECT_LE(::recv(fd.get(), &byte, 1, 0), 0);
  });
}

TEST_F(ServerTest, ConnectionsAboveTheBoundWaitForTheirTurn) {
  serve({.path = {}, .connections_max = 2}, [&] {
    base::UniqueFd first = connect();
    const base::UniqueFd second = connect();
    const auto third = call(path, {.target = "/v1/version"}, milliseconds(50));
    EXPECT_FALSE(third.ok());
    first.reset();
    EXPECT_TRUE(call(path, {.target = "/v1/version"}, seconds(10)).ok());
  });
}

TEST_F(ServerTest, ServesMonitoringOnATcpSocketAndNothingElse) {
  base::UniqueFd listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(::bind(listening.get(), reinterpret_cast<const sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(listening.get(), 16), 0);
  ::getsockname(listening.get(), reinterpret_cast<sockaddr*>(&address), &length);

  boost::asio::io_context context;
  Server server(context, {.routes = Routes::monitoring, .body_bytes_max = 0, .connections_max = 1}, service);
  ASSERT_TRUE(server.open_on(std::move(listening)).ok());
  std::jthread thread([&] { context.run(); });
  const auto ask = [&](const std::string& line) {
    const base::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return exchange(fd.get(), line + " HTTP/1.1\r\nConnection: close\r\n\r\n");
  };
  const std::string page = ask("GET /metrics");
  EXPECT_THAT(page, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(page, HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_TRUE(page.ends_with("\r\n\r\nshoal_up 1\n")) << page;
  EXPECT_THAT(ask("GET /healthz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(ask("GET /v1/version"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(ask("POST /v1/instances/a/stop"), StartsWith("HTTP/1.1 404"));
  context.stop();
}

}  // namespace
}  // namespace shoal::api
