#include "cli/line_reader.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace shoal::cli {

LineReader::LineReader(io::Reactor& reactor, int fd, std::function<Answer(std::string_view)> on_line,
                       std::function<void(const std::string&)> on_end)
    : reactor_(reactor), fd_(fd), on_line_(std::move(on_line)), on_end_(std::move(on_end)) {}

LineReader::~LineReader() { watch(false); }

void LineReader::resume() {
  if (done_ || !hand_out()) return;
  watch(true);
}

void LineReader::watch(bool on) {
  if (!pollable_) {
    // A file is always ready; one read in a turn lets the others have theirs.
    if (on) reactor_.post([this] { read(); });
    return;
  }
  if (on == watched_) return;
  watched_ = on;
  if (!on) return reactor_.remove(fd_);
  if (reactor_.add(fd_, EPOLLIN, *this)) return;
  pollable_ = watched_ = false;
  watch(true);
}

void LineReader::on_events(std::uint32_t) { read(); }

void LineReader::read() {
  if (done_) return;
  const std::span<std::uint8_t> scratch = reactor_.scratch();
  const ssize_t got = ::read(fd_, scratch.data(), scratch.size());
  if (got < 0 && errno != EINTR && errno != EAGAIN) return finish(std::string("cannot read: ") + std::strerror(errno));
  if (got > 0) buffer_.append(reinterpret_cast<const char*>(scratch.data()), static_cast<std::size_t>(got));
  at_end_ = got == 0;
  if (!hand_out()) watch(false);
  else if (!pollable_) watch(true);
}

bool LineReader::hand_out() {
  while (!done_) {
    std::size_t end = buffer_.find('\n', std::max(begin_, scanned_));
    const bool last = end == std::string::npos;
    if (last) {
      scanned_ = buffer_.size();
      if (!at_end_) break;
      if (begin_ == buffer_.size()) {
        finish("");
        return false;
      }
      end = buffer_.size();
    }
    std::string_view line(buffer_.data() + begin_, end - begin_);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const Answer answer = on_line_(line);
    if (answer == Answer::again) return false;
    begin_ = std::min(end + 1, buffer_.size());
    if (answer == Answer::stop) done_ = true;
  }
  buffer_.erase(0, begin_);
  scanned_ -= std::min(scanned_, begin_);
  begin_ = 0;
  if (buffer_.size() > kLineBytesMax) finish("a line is longer than MQTT allows");
  return !done_;
}

void LineReader::finish(const std::string& problem) {
  done_ = true;
  watch(false);
  on_end_(problem);
}

}  // namespace shoal::cli
