#include "server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <stdexcept>

#include "shoal/broker.hpp"

namespace shoal::crash {
namespace {

// This test is about what is kept, not about what is refused.
Limits generous() {
  Limits limits;
  limits.connects_per_second = 1'000'000;
  limits.queued_messages = 10'000'000;
  limits.queued_bytes = 1ull << 30;
  limits.queued_bytes_total = 2ull << 30;
  limits.queued_bytes_connected = 1ull << 30;
  return limits;
}

std::string log_file(const std::string& dir) { return dir + "/log"; }

}  // namespace

int serve(int fd, const Serving& serving) {
  const auto& [dir, persistence, shared] = serving;
  BrokerOptions options;
  options.name = "crash";
  options.listeners = {{.fd = fd}};
  options.auth.anonymous = true;
  options.limits = generous();
  options.sys_interval_s = 0;
  options.persistence = persistence == "none"         ? Persistence::none
                        : persistence == "power_safe" ? Persistence::power_safe
                                                      : Persistence::crash_safe;
  if (options.persistence != Persistence::none) options.store_dir = dir + "/store";
  options.log.file = log_file(dir);
  Runtime runtime({.threads = 1, .use_calling_thread = true});
  auto broker = Broker::start(runtime, std::move(options));
  if (!broker) {
    std::fprintf(stderr, "server: %s\n", broker.error().message.c_str());
    return 3;
  }
  std::unique_ptr<Broker> neighbour;
  if (shared) {
    auto started = Broker::start(
        runtime, {.name = "neighbour", .auth = {.anonymous = true}, .persistence = Persistence::none});
    if (!started) {
      std::fprintf(stderr, "neighbour: %s\n", started.error().message.c_str());
      return 3;
    }
    neighbour = std::move(*started);
  }
  if (auto run = runtime.run(); !run) std::fprintf(stderr, "server: %s\n", run.error().message.c_str());
  return 3;
}

Server::Server(Serving serving) : serving_(std::move(serving)) {
  listening_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (!listening_ || ::bind(listening_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listening_.get(), 1024) != 0 ||
      ::getsockname(listening_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("no listening socket");
  }
  port_ = ntohs(address.sin_port);
}

Server::~Server() { kill(); }

void Server::start() {
  const std::string fd = std::to_string(listening_.get());
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ > 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::fcntl(listening_.get(), F_SETFD, 0);
  ::execl("/proc/self/exe", "crash_test", "--serve", fd.c_str(), serving_.dir.c_str(), serving_.persistence.c_str(),
          serving_.shared ? "shared" : "own", nullptr);
  ::_exit(127);
}

void Server::strike() {
  struck_ = true;
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

bool Server::kill() {
  struck_ = false;
  if (pid_ <= 0) return true;
  ::kill(pid_, SIGKILL);
  int status = 0;
  const pid_t pid = std::exchange(pid_, 0);
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

bool Server::running() {
  if (pid_ <= 0 || struck_ || ::waitpid(pid_, nullptr, WNOHANG) == 0) return true;
  pid_ = 0;
  return false;
}

std::string Server::complaints() const {
  std::ifstream log(log_file(serving_.dir));
  std::string found;
  for (std::string line; std::getline(log, line);) {
    for (const char* text : {"store damaged", "store incomplete", "store not written", "cannot be written"}) {
      if (line.find(text) != std::string::npos) found += "  " + line + "\n";
    }
  }
  return found;
}

std::string Server::last_lines() const {
  std::ifstream log(log_file(serving_.dir));
  std::deque<std::string> lines;
  for (std::string line; std::getline(log, line);) {
    lines.push_back(line);
    if (lines.size() > 15) lines.pop_front();
  }
  std::string text;
  for (const std::string& line : lines) text += "  " + line + "\n";
  return text;
}

}  // namespace shoal::crash
