#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <optional>
#include <ostream>

#include "base/unique_fd.hpp"
#include "cli/commands.hpp"
#include "cli/top_table.hpp"

namespace shoal::cli {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kFirst{1'000};
constexpr milliseconds kEvery{2'000};

/// A screen of its own and keys without Enter, as long as it lives.
class Screen {
 public:
  explicit Screen(std::ostream& out) : out_(out) {
    ::tcgetattr(STDIN_FILENO, &before_);
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    out_ << "\x1b[?1049h\x1b[?25l" << std::flush;
  }
  ~Screen() {
    out_ << "\x1b[?25h\x1b[?1049l" << std::flush;
    ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  void clear() { out_ << "\x1b[H\x1b[2J"; }
  static winsize size() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row < 2 || size.ws_col < 2) return {24, 80, 0, 0};
    return size;
  }

 private:
  std::ostream& out_;
  termios before_{};
};

/// INT and TERM, which would leave the terminal as it is, wait here.
class Ends {
 public:
  Ends() {
    ::sigemptyset(&mine_);
    ::sigaddset(&mine_, SIGINT);
    ::sigaddset(&mine_, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &mine_, &before_);
    fd_.reset(::signalfd(-1, &mine_, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd_) ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  ~Ends() {
    signalfd_siginfo signal;
    while (fd_ && ::read(fd_.get(), &signal, sizeof signal) > 0) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  Ends(const Ends&) = delete;
  Ends& operator=(const Ends&) = delete;

  /// True when somebody wants the end: a signal, or `q` where keys are heard.
  bool wait(milliseconds length, bool keys) const {
    const auto until = Clock::now() + length;
    for (;;) {
      const auto left = std::chrono::ceil<milliseconds>(until - Clock::now());
      if (left.count() <= 0) return false;
      pollfd wanted[] = {{fd_.get(), POLLIN, 0}, {keys ? STDIN_FILENO : -1, POLLIN, 0}};
      if (::poll(wanted, 2, static_cast<int>(left.count())) <= 0) continue;
      if (wanted[0].revents != 0) return true;
      char key = 0;
      if (wanted[1].revents != 0 && (::read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q')) return true;
    }
  }

 private:
  sigset_t mine_;
  sigset_t before_;
  base::UniqueFd fd_;
};

struct Look {
  Clock::time_point at;
  std::vector<api::Instance> instances;
};

}  // namespace

void top(Context& context, const TopOptions& options) {
  const std::string target = "/v1/instances?stats=1";
  const bool live = !options.once && ::isatty(STDOUT_FILENO) != 0 && ::isatty(STDIN_FILENO) != 0;
  const Ends ends;
  std::optional<Screen> screen;
  std::optional<Look> before;
  for (;;) {
    const auto response = context.request("GET", target);
    auto instances = response && response->status == 200 ? api::instances_from_json(response->body)
                                                         : Result<std::vector<api::Instance>>(Error{});
    if (!instances) {
      screen.reset();
      if (context.call("GET", target)) context.fail(kFailed, "the controller's answer is not understood");
      return;
    }
    Look now{Clock::now(), std::move(*instances)};
    if (live && !screen) screen.emplace(context.out);
    if (screen || before) {
      const std::chrono::duration<double> passed = before ? now.at - before->at : Clock::duration{};
      auto rows = top_rows(before ? before->instances : std::vector<api::Instance>{}, now.instances, passed.count());
      sort_rows(rows, options.sort);
      const winsize size = Screen::size();
      if (screen) screen->clear();
      if (screen) print_top(context.out, rows, size.ws_row - 1u, size.ws_col);
      else print_top(context.out, rows);
      if (!screen && !options.once) context.out << '\n';
      if (!context.out.flush() || options.once) return;
    }
    const bool first = !before;
    before = std::move(now);
    if (ends.wait(first ? kFirst : kEvery, screen.has_value())) return;
  }
}

}  // namespace shoal::cli
