#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "io/reactor.hpp"

namespace shoal::cli {

/// Lines of a descriptor (pipe, terminal or file) as a reactor's turns can take them.
class LineReader final : private io::EventHandler {
 public:
  /// Longest line.
  static constexpr std::size_t kLineBytesMax = 256u << 20;

  enum class Answer {
    next,   ///< go on
    again,  ///< not now: the same line comes again after `resume`
    stop,   ///< no more
  };
  /// `on_line` gets each line without its end; `on_end` is called after the last, with a phrase when
  /// reading failed. Neither is called before `resume`.
  LineReader(io::Reactor& reactor, int fd, std::function<Answer(std::string_view)> on_line,
             std::function<void(const std::string& problem)> on_end);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  /// Begins or goes on to read.
  void resume();

 private:
  void on_events(std::uint32_t events) override;
  void read();
  /// False: the reader is to be paused or has stopped.
  bool hand_out();
  void watch(bool on);
  void finish(const std::string& problem);

  io::Reactor& reactor_;
  const int fd_;
  std::function<Answer(std::string_view)> on_line_;
  std::function<void(const std::string&)> on_end_;
  std::string buffer_;
  std::size_t begin_ = 0;    // of what was not handed out
  std::size_t scanned_ = 0;  // no line's end before this
  bool watched_ = false;
  bool pollable_ = true;
  bool at_end_ = false;
  bool done_ = false;
};

}  // namespace shoal::cli
