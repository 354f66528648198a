#include "auth/users_line.hpp"

#include "auth/password_hash.hpp"
#include "auth/user_table.hpp"
#include "mqtt/utf8.hpp"

namespace shoal::auth {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

}  // namespace

std::optional<LineProblem> find_name_problem(std::string_view name) {
  if (name.empty()) return LineProblem{0, "the user name is empty"};
  if (name.size() > kUserNameBytesMax) return LineProblem{kUserNameBytesMax, "the user name is longer than 256 bytes"};
  if (!mqtt::is_utf8_string(name)) return LineProblem{0, "the user name is not UTF-8"};
  if (name.starts_with("\xef\xbb\xbf"))
    return LineProblem{0, "there is a byte order mark before the user name; remove it"};
  if (name.front() == '#') return LineProblem{0, "a user name cannot start with #: that is a comment"};
  if (is_blank(name.front())) return LineProblem{0, "there is a blank before the user name; remove it"};
  if (is_blank(name.back())) return LineProblem{name.size() - 1, "there is a blank behind the user name; remove it"};
  for (std::size_t i = 0; i < name.size(); ++i) {
    const auto c = static_cast<unsigned char>(name[i]);
    if (c < 0x20 || c == 0x7f) return LineProblem{i, "the user name has a control character; remove it"};
    if (c == ':') return LineProblem{i, "a user name cannot have a colon: it ends the name"};
  }
  return {};
}

std::variant<NoEntry, UserEntry, LineProblem> read_users_line(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  const std::size_t first = line.find_first_not_of(" \t");
  if (first == std::string_view::npos || line[first] == '#') return NoEntry{};
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) {
    return LineProblem{line.size(), "expected name:$argon2id$...; write it with `shoal users add INSTANCE NAME`"};
  }
  const UserEntry entry{line.substr(0, colon), line.substr(colon + 1)};
  if (auto problem = find_name_problem(entry.name)) return *std::move(problem);
  if (auto problem = find_hash_problem(entry.encoded)) {
    return LineProblem{colon + 1 + problem->offset,
                       problem->message + "; set the password again with `shoal users add INSTANCE NAME`"};
  }
  return entry;
}

std::string at_position(const std::string& file, std::size_t line, std::size_t offset, const std::string& message) {
  return file + ':' + std::to_string(line + 1) + ':' + std::to_string(offset + 1) + ": " + message;
}

}  // namespace shoal::auth
