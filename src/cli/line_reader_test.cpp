#include "cli/line_reader.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace shoal::cli {
namespace {

class LineReaderTest : public testing::Test {
 protected:
  LineReaderTest() {
    auto opened = io::Reactor::open();
    reactor_ = *std::move(opened);
    int fds[2];
    EXPECT_EQ(::pipe(fds), 0);
    in_.reset(fds[0]);
    out_.reset(fds[1]);
  }

  void write(const std::string& text) {
    EXPECT_EQ(::write(out_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void make_reader(int fd) {
    reader_ = std::make_unique<LineReader>(
        *reactor_, fd, [this](std::string_view line) { return on_line_(line); },
        [this](const std::string& problem) {
          lines_.push_back(problem.empty() ? "END" : "END " + problem);
          reactor_->stop();
        });
  }

  std::unique_ptr<io::Reactor> reactor_;
  base::UniqueFd in_;
  base::UniqueFd out_;
  std::vector<std::string> lines_;
  std::function<LineReader::Answer(std::string_view)> on_line_ = [this](std::string_view line) {
    lines_.emplace_back(line);
    return LineReader::Answer::next;
  };
  std::unique_ptr<LineReader> reader_;
};

using Lines = std::vector<std::string>;

TEST_F(LineReaderTest, HandsOutLinesOfAPipe) {
  write("one\ntwo\r\n\nlast");
  out_.reset();
  make_reader(in_.get());
  reader_->resume();
  reactor_->run();
  EXPECT_EQ(lines_, (Lines{"one", "two", "", "last", "END"}));
}

TEST_F(LineReaderTest, ALineMayComeInPieces) {
  on_line_ = [this](std::string_view line) {
    lines_.emplace_back(line);
    if (lines_.size() == 1) {
      write("lf\nnext\n");
      out_.reset();
    }
    return LineReader::Answer::next;
  };
  write("one\nha");
  make_reader(in_.get());
  reader_->resume();
  reactor_->run();
  EXPECT_EQ(lines_, (Lines{"one", "half", "next", "END"}));
}

TEST_F(LineReaderTest, AnUnwantedLineComesAgainAfterResume) {
  int calls = 0;
  on_line_ = [&](std::string_view line) {
    if (++calls % 2 == 1) {
      reactor_->post([this] { reader_->resume(); });
      return LineReader::Answer::again;
    }
    lines_.emplace_back(line);
    return LineReader::Answer::next;
  };
  write("one\ntwo\nthree");
  out_.reset();
  make_reader(in_.get());
  reader_->resume();
  reactor_->run();
  EXPECT_EQ(lines_, (Lines{"one", "two", "three", "END"}));
  EXPECT_EQ(calls, 6);
}

TEST_F(LineReaderTest, ReadsAFileThatCannotBePolled) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), &std::fclose);
  std::string expected;
  for (int i = 0; i < 100'000; ++i) expected += "line " + std::to_string(i) + '\n';
  ASSERT_EQ(std::fwrite(expected.data(), 1, expected.size(), file.get()), expected.size());
  std::rewind(file.get());
  std::string seen;
  int calls = 0;
  on_line_ = [&](std::string_view line) {
    if (++calls % 1000 == 0) {
      reactor_->post([this] { reader_->resume(); });
      return LineReader::Answer::again;
    }
    seen.append(line).append("\n");
    return LineReader::Answer::next;
  };
  make_reader(::fileno(file.get()));
  reader_->resume();
  reactor_->run();
  EXPECT_EQ(seen, expected);
  EXPECT_EQ(lines_, (Lines{"END"}));
}

TEST_F(LineReaderTest, StopsWhenToldToAndSaysWhenItCannotRead) {
  on_line_ = [&](std::string_view line) {
    lines_.emplace_back(line);
    reactor_->stop();
    return LineReader::Answer::stop;
  };
  write("one\ntwo\n");
  make_reader(in_.get());
  reader_->resume();
  reactor_->run();
  EXPECT_EQ(lines_, (Lines{"one"}));

  lines_.clear();
  const base::UniqueFd folder(::open("/", O_RDONLY));
  make_reader(folder.get());
  reader_->resume();
  reactor_->run();
  EXPECT_EQ(lines_, (Lines{"END cannot read: Is a directory"}));
}

}  // namespace
}  // namespace shoal::cli
