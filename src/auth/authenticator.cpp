#include "auth/authenticator.hpp"

#include <openssl/crypto.h>

#include <atomic>
#include <mutex>
#include <string>
#include <utility>

#include "auth/credential_cache.hpp"
#include "auth/password_hash.hpp"

namespace shoal::auth {
namespace {

constexpr Verdict kAnonymous{Decision::accepted, "anonymous"};
constexpr Verdict kNobodyToCheck{Decision::accepted, "anonymous: there are no users to check against"};
constexpr Verdict kVerified{Decision::accepted, "password verified"};
constexpr Verdict kNoUserName{Decision::refused, "no user name"};
constexpr Verdict kNoUsers{Decision::refused, "there are no users"};
constexpr Verdict kNoPassword{Decision::refused, "no password"};
constexpr Verdict kUnknownUser{Decision::refused, "unknown user"};
constexpr Verdict kWrongPassword{Decision::refused, "wrong password"};
constexpr Verdict kNeedsHash{Decision::needs_hash, "password to be verified"};

/// What a client claims, wiped when it is no longer needed.
struct Claim {
  Claim(std::string_view u, std::string_view p) : user(u), password(p) {}
  ~Claim() { OPENSSL_cleanse(password.data(), password.size()); }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

  const std::string user;
  std::string password;
};

}  // namespace

struct Authenticator::State {
  std::shared_ptr<const UserTable> users() const {
    const std::lock_guard lock(mutex);
    return table;
  }

  Verdict verify(const Claim& claim) {
    const auto now = users();
    if (!now) return kNoUsers;
    const std::string* encoded = now->find(claim.user);
    if (encoded == nullptr) {
      verify_password(now->decoy(), claim.password);
      return kUnknownUser;
    }
    if (cache.knows(claim.user, *encoded, claim.password)) return kVerified;
    if (!verify_password(*encoded, claim.password)) return kWrongPassword;
    cache.remember(claim.user, *encoded, claim.password);
    return kVerified;
  }

  std::atomic<bool> anonymous = false;
  CredentialCache cache;
  mutable std::mutex mutex;
  std::shared_ptr<const UserTable> table;
};

Authenticator::Authenticator(bool anonymous, std::shared_ptr<const UserTable> users)
    : state_(std::make_shared<State>()) {
  state_->anonymous = anonymous;
  state_->table = std::move(users);
}

Authenticator::~Authenticator() = default;

InstanceKey Authenticator::key() const { return state_.get(); }

Verdict Authenticator::check(std::optional<std::string_view> user, std::optional<std::string_view> password) const {
  if (!user) return state_->anonymous ? kAnonymous : kNoUserName;
  const auto users = state_->users();
  if (!users) return state_->anonymous ? kNobodyToCheck : kNoUsers;
  if (!password) return kNoPassword;
  const std::string* encoded = users->find(*user);
  if (encoded != nullptr && state_->cache.knows(*user, *encoded, *password)) return kVerified;
  return kNeedsHash;
}

PasswordPool::Job Authenticator::job(std::string_view user, std::string_view password,
                                     std::function<void(Verdict)> done) const {
  auto claim = std::make_shared<const Claim>(user, password);
  return {[state = state_, claim = std::move(claim)] { return state->verify(*claim); }, std::move(done)};
}

void Authenticator::set_anonymous(bool anonymous) { state_->anonymous = anonymous; }

void Authenticator::set_users(std::shared_ptr<const UserTable> users) {
  const auto now = users;
  {
    const std::lock_guard lock(state_->mutex);
    state_->table.swap(users);  // the old table, perhaps large, is freed after the lock
  }
  state_->cache.retain(now.get());
}

}  // namespace shoal::auth
