#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "auth/password_pool.hpp"
#include "auth/user_table.hpp"
#include "auth/verdict.hpp"

namespace shoal::auth {

/// Decides who may connect to one instance. Functions may be called from any thread. Jobs made by it
/// may outlive it.
///
///  | user name | users table | anonymous | decision                          |
///  |-----------|-------------|-----------|-----------------------------------|
///  | none      | any         | true      | accepted                          |
///  | none      | any         | false     | refused                           |
///  | given     | none        | true      | accepted: nobody to check against |
///  | given     | none        | false     | refused                           |
///  | given     | yes         | any       | by the password                   |
class Authenticator {
 public:
  /// `users` may be null: there is no users file.
  Authenticator(bool anonymous, std::shared_ptr<const UserTable> users);
  ~Authenticator();
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;

  /// For `PasswordPool::submit` and `cancel`.
  InstanceKey key() const;

  /// Answers at once, in about a microsecond: `needs_hash` when the password was not verified
  /// before. Absent and empty are different things. An unknown user answers `needs_hash` too, so
  /// that names cannot be told by the time an answer takes.
  Verdict check(std::optional<std::string_view> user, std::optional<std::string_view> password) const;

  /// The job after `needs_hash`; copies the strings. It looks into the memory of verified passwords
  /// again and verifies against the users of that moment. `done` gets accepted or refused.
  PasswordPool::Job job(std::string_view user, std::string_view password, std::function<void(Verdict)> done) const;

  /// Replaces the users. Who is connected stays; verified passwords of removed or changed users are
  /// forgotten.
  void set_users(std::shared_ptr<const UserTable> users);
  /// Whether clients without a user name are accepted from now on. Who is connected stays.
  void set_anonymous(bool anonymous);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace shoal::auth
