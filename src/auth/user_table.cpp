#include "auth/user_table.hpp"

#include "auth/password_hash.hpp"
#include "auth/users_line.hpp"

namespace shoal::auth {
namespace {

constexpr std::string_view kDecoySaltAndHash = "$c2hvYWwtZGVjb3ktMDE$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

std::string default_cost() {
  return "$argon2id$v=19$m=" + std::to_string(kHashCost.memory_kib) + ",t=" + std::to_string(kHashCost.passes) +
         ",p=" + std::to_string(kHashCost.lanes);
}

/// `$argon2id$v=19$m=..,t=..,p=..` of a checked hash.
std::string cost_of(std::string_view encoded) {
  const std::size_t hash = encoded.rfind('$');
  return std::string(encoded.substr(0, encoded.rfind('$', hash - 1)));
}

}  // namespace

Result<std::shared_ptr<const UserTable>> UserTable::parse(std::string_view text, const std::string& file) {
  auto table = std::make_shared<UserTable>();
  std::string cost = default_cost();
  for (std::size_t number = 0; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const auto line = read_users_line(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const auto fail = [&](std::size_t offset, const std::string& message) {
      return Error{ErrorCode::invalid_argument, at_position(file, number, offset, message)};
    };
    if (const auto* problem = std::get_if<LineProblem>(&line)) return fail(problem->offset, problem->message);
    const auto* entry = std::get_if<UserEntry>(&line);
    if (entry == nullptr) continue;
    if (table->users_.size() == kUsersMax) return fail(0, "more than 1000000 users");
    if (!table->users_.emplace(entry->name, entry->encoded).second) {
      return fail(0, "user '" + std::string(entry->name) + "' is there twice; remove one of the lines");
    }
    if (table->users_.size() == 1) cost = cost_of(entry->encoded);
  }
  table->decoy_ = cost.append(kDecoySaltAndHash);
  return std::shared_ptr<const UserTable>(std::move(table));
}

const std::string* UserTable::find(std::string_view name) const {
  const auto found = users_.find(name);
  return found == users_.end() ? nullptr : &found->second;
}

}  // namespace shoal::auth
