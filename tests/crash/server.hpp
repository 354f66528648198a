#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/unique_fd.hpp"

namespace shoal::crash {

/// How the broker under test runs.
struct Serving {
  std::string dir;
  std::string persistence = "crash_safe";
  bool shared = false;  ///< its thread serves another broker, too, so it writes in the background
};

/// What the child does: serves on the socket `fd` until it is killed. Returns when it could not start.
int serve(int fd, const Serving& serving);

/// The broker under test: a child process that is this program again. Its listening socket stays open here too, so
/// that connects wait in the kernel while there is no process.
class Server {
 public:
  explicit Server(Serving serving);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const { return port_; }
  const std::string& dir() const { return serving_.dir; }
  void start();
  /// With SIGKILL, at once; `kill` has to follow.
  void strike();
  bool struck() const { return struck_; }
  /// With SIGKILL. When it returns the process is gone. False when it was before.
  bool kill();
  /// False when it ended without having been told to.
  bool running();
  /// Lines of its log that say that something of the store is not as it was written; empty: none.
  std::string complaints() const;
  /// Its last lines.
  std::string last_lines() const;

 private:
  Serving serving_;
  base::UniqueFd listening_;
  std::uint16_t port_ = 0;
  pid_t pid_ = 0;
  bool struck_ = false;
};

}  // namespace shoal::crash
