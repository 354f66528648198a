#include "controller/process_usage.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <string_view>

#include "base/unique_fd.hpp"

namespace shoal::controller {

std::optional<ProcessUsage> read_usage(std::int64_t pid, const std::string& proc) {
  // Fields of proc(5), counted from 1; the name in the second one may have blanks and parentheses.
  constexpr unsigned kFirstBehindName = 3;
  constexpr unsigned kUserTicks = 14;
  constexpr unsigned kSystemTicks = 15;
  constexpr unsigned kResidentPages = 24;
  const base::UniqueFd fd(::open((proc + '/' + std::to_string(pid) + "/stat").c_str(), O_RDONLY | O_CLOEXEC));
  char bytes[2048];
  const ssize_t got = fd ? ::read(fd.get(), bytes, sizeof bytes) : -1;
  if (got <= 0) return std::nullopt;
  std::string_view rest(bytes, static_cast<std::size_t>(got));
  const std::size_t name_end = rest.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  rest.remove_prefix(name_end + 1);

  std::uint64_t ticks = 0;
  std::uint64_t pages = 0;
  bool halted = false;
  for (unsigned field = kFirstBehindName; field <= kResidentPages; ++field) {
    const std::size_t begin = rest.find_first_not_of(" \n");
    if (begin == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(begin);
    const std::string_view word = rest.substr(0, rest.find_first_of(" \n"));
    rest.remove_prefix(word.size());
    if (field == kFirstBehindName) halted = word == "T";
    std::uint64_t number = 0;
    std::from_chars(word.data(), word.data() + word.size(), number);
    if (field == kUserTicks || field == kSystemTicks) ticks += number;
    if (field == kResidentPages) pages = number;
  }
  static const long ticks_per_second = ::sysconf(_SC_CLK_TCK);
  static const long page_bytes = ::sysconf(_SC_PAGESIZE);
  return ProcessUsage{static_cast<double>(ticks) / static_cast<double>(ticks_per_second),
                      pages * static_cast<std::uint64_t>(page_bytes), halted};
}

}  // namespace shoal::controller
