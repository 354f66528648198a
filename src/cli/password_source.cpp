#include "cli/password_source.hpp"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <istream>

#include "base/unique_fd.hpp"

namespace shoal::cli {
namespace {

constexpr char kInterrupt = 0x03;

Result<std::string> checked(std::string password, const std::string& where) {
  if (password.empty()) return Error{ErrorCode::invalid_argument, "the password from " + where + " is empty"};
  if (password.size() > kPasswordBytesMax) {
    return Error{ErrorCode::invalid_argument, "the password from " + where + " is longer than 65535 bytes"};
  }
  return password;
}

/// Its first line and no more: a password is never in a buffer that somebody else reads on from.
Result<std::string> first_line(std::istream& in, const std::string& where) {
  std::string line;
  for (char c; line.size() <= kPasswordBytesMax && in.get(c) && c != '\n';) line += c;
  if (in.bad()) {
    return Error{ErrorCode::io, "cannot read the password from " + where + ": " + std::strerror(errno)};
  }
  if (line.ends_with('\r')) line.pop_back();
  return checked(std::move(line), where);
}

/// The terminal, quiet until it goes.
class QuietTerminal {
 public:
  QuietTerminal() : fd_(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    if (!fd_ || ::tcgetattr(fd_.get(), &before_) != 0) {
      fd_.reset();
      return;
    }
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);  // Ctrl-C must not leave a terminal without echo behind:
    quiet.c_cc[VEOL] = kInterrupt;                         // it ends the line instead
    ::tcsetattr(fd_.get(), TCSAFLUSH, &quiet);
  }
  ~QuietTerminal() {
    if (fd_) ::tcsetattr(fd_.get(), TCSAFLUSH, &before_);
  }
  QuietTerminal(const QuietTerminal&) = delete;
  QuietTerminal& operator=(const QuietTerminal&) = delete;

  bool is_there() const { return static_cast<bool>(fd_); }

  Result<std::string> ask(const std::string& prompt) {
    write(prompt);
    std::string line;
    for (char c = 0; line.size() <= kPasswordBytesMax;) {
      const ssize_t got = ::read(fd_.get(), &c, 1);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0 || c == '\n') break;
      if (c == kInterrupt) {
        write("\n");
        return Error{ErrorCode::unavailable, "interrupted, nothing was changed"};
      }
      line += c;
    }
    write("\n");
    return checked(std::move(line), "the terminal");
  }

 private:
  void write(const std::string& text) {
    // A terminal that is gone shows at the next read.
    [[maybe_unused]] const ssize_t written = ::write(fd_.get(), text.data(), text.size());
  }

  base::UniqueFd fd_;
  termios before_{};
};

}  // namespace

Result<std::string> read_password(const PasswordSource& source, std::istream& in) {
  if (source.from_stdin) return first_line(in, "standard input");
  std::ifstream file(source.file, std::ios::binary);
  if (!file) {
    const ErrorCode code = errno == ENOENT   ? ErrorCode::not_found
                           : errno == EACCES ? ErrorCode::permission_denied
                                             : ErrorCode::io;
    return Error{code, "cannot open password file " + source.file + ": " + std::strerror(errno)};
  }
  return first_line(file, "file " + source.file);
}

Result<std::string> ask_new_password(std::string_view prompt) {
  QuietTerminal terminal;
  if (!terminal.is_there()) {
    return Error{ErrorCode::unavailable,
                 "there is no terminal to ask for the password; use --password-stdin or --password-file FILE"};
  }
  auto first = terminal.ask(std::string(prompt) + ": ");
  if (!first) return first;
  const auto second = terminal.ask("Once more: ");
  if (!second) return second;
  if (*first != *second) return Error{ErrorCode::invalid_argument, "the two passwords differ, nothing was changed"};
  return first;
}

}  // namespace shoal::cli
