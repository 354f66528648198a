#include "controller/privileges.hpp"

#include <cap-ng.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "controller/folders.hpp"

namespace shoal::controller {
namespace {

namespace fs = std::filesystem;

Error refused(const config::FleetConfig& config, const std::string& what) {
  return {ErrorCode::permission_denied, config.user_at.text() + ": fleet.user: " + what};
}

/// The folders that are missing on the way to `path`, the outermost first.
std::vector<fs::path> missing(fs::path path) {
  std::vector<fs::path> all;
  std::error_code ignored;
  for (; path.has_relative_path() && !fs::exists(path, ignored); path = path.parent_path())
    all.insert(all.begin(), path);
  return all;
}

/// Makes what is missing and gives that, and nothing else, to the user.
Result<void> make_for(const Account& account, const config::FleetConfig& config) {
  std::vector<fs::path> made;
  for (const std::string* path : {&config.state_dir, &config.log_dir, &config.run_dir})
    for (fs::path& one : missing(*path)) made.push_back(std::move(one));
  for (const config::InstanceConfig& instance : config.instances)
    for (fs::path& one : missing(instance.state_dir)) made.push_back(std::move(one));
  if (auto folders = make_folders(config); !folders) return folders;
  for (const fs::path& path : made) {
    if (::lchown(path.c_str(), account.uid, account.gid) != 0 && errno != ENOENT)
      return Error{ErrorCode::io, path.string() + " cannot be given to " + account.name + ": " + std::strerror(errno)};
  }
  return {};
}

Result<void> change_to(const Account& account) {
  capng_clear(CAPNG_SELECT_ALL);
  constexpr auto kKept = static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET);
  capng_update(CAPNG_ADD, kKept, CAP_NET_BIND_SERVICE);
  // The bounding set as well, while that is allowed; not emptied, or the right could not be handed on.
  if (capng_apply(CAPNG_SELECT_BOUNDS) != 0)
    return Error{ErrorCode::permission_denied, "the bounding set of capabilities cannot be changed"};
  const int failed = capng_change_id(static_cast<int>(account.uid), static_cast<int>(account.gid), CAPNG_INIT_SUPP_GRP);
  if (failed != 0)
    return Error{ErrorCode::permission_denied,
                 "cannot become user " + account.name + " (step " + std::to_string(-failed) + " of capng_change_id)"};
  // Else /proc/self belongs to root.
  ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  return {};
}

/// What this user needs, by his rights now.
Result<void> check_access(const config::FleetConfig& config, const std::string& user) {
  const auto need = [&](const std::string& path, int mode, const std::string& what) -> Result<void> {
    if (path.empty() || ::access(path.c_str(), mode) == 0 || errno == ENOENT) return {};
    const bool writes = (mode & W_OK) != 0;
    return refused(config, what + ' ' + path + " cannot be " + (writes ? "written" : "read") + " by " + user + ": " +
                               std::strerror(errno) + "; " +
                               (writes ? "`chown -R " + user + ": " + path + '`' : "let that user read it"));
  };
  constexpr int kUse = W_OK | X_OK;
  Result<void> done = need(config.file, R_OK, "the configuration");
  for (const std::string* folder : {&config.state_dir, &config.log_dir, &config.run_dir})
    if (done) done = need(*folder, kUse, "the folder");
  if (done) done = need(config.run_dir + "/workers", kUse, "the folder");
  for (const std::string* folder : {&config.state_dir, &config.run_dir})
    if (done) done = need(*folder + "/.lock", W_OK, "the lock");
  if (done && !config.log.file.empty()) done = need(config.log.file, W_OK, "the log");
  for (const config::InstanceConfig& instance : config.instances) {
    const std::string of = " of instance " + instance.name;
    if (done) done = need(instance.state_dir, kUse, "the state folder" + of);
    if (done) done = need(instance.options.store_dir, kUse, "the store" + of);
    if (done) done = need(instance.options.log.file, W_OK, "the log" + of);
    if (done) done = need(instance.options.auth.users_file, R_OK, "the users file" + of);
  }
  return done;
}

}  // namespace

Result<Account> find_account(const std::string& user) {
  const std::size_t colon = user.find(':');
  Account account{.name = user.substr(0, colon)};
  const passwd* const entry = ::getpwnam(account.name.c_str());
  if (entry == nullptr)
    return Error{ErrorCode::invalid_argument,
                 "there is no user " + account.name + "; `useradd --system " + account.name + "` makes one"};
  account.uid = entry->pw_uid;
  account.gid = entry->pw_gid;
  if (colon == std::string::npos) return account;
  const std::string name = user.substr(colon + 1);
  const group* const found = ::getgrnam(name.c_str());
  if (found == nullptr) return Error{ErrorCode::invalid_argument, "there is no group " + name};
  account.gid = found->gr_gid;
  return account;
}

Result<void> make_users_folders(const config::FleetConfig& config) {
  if (config.user.empty() || ::geteuid() != 0) return make_folders(config);
  const auto account = find_account(config.user);
  return account ? make_for(*account, config) : refused(config, account.error().message);
}

void give_to_user(const config::FleetConfig& config, int fd) {
  if (config.user.empty() || ::geteuid() != 0) return;
  const auto account = find_account(config.user);
  if (account) [[maybe_unused]]
    const int ignored = ::fchown(fd, account->uid, account->gid);
}

void keep_rights_from_children() {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (capng_get_caps_process() != 0) return;
  // What is not inheritable is not ambient either.
  for (unsigned capability = 0; capability <= CAP_LAST_CAP; ++capability)
    capng_update(CAPNG_DROP, CAPNG_INHERITABLE, capability);
  capng_apply(CAPNG_SELECT_CAPS);
}

Result<void> become_user(const config::FleetConfig& config) {
  if (config.user.empty()) return {};
  const auto account = find_account(config.user);
  if (!account) return refused(config, account.error().message);
  if (::geteuid() == account->uid) return {};
  if (::geteuid() != 0)
    return refused(config, "only root can become " + account->name + "; start it as root or as " + account->name);
  if (auto made = make_for(*account, config); !made) return made;
  if (auto changed = change_to(*account); !changed) return refused(config, changed.error().message);
  return check_access(config, account->name);
}

void hand_on_rights() {
  if (::geteuid() == 0 || capng_get_caps_process() != 0) return;
  if (capng_have_capability(CAPNG_PERMITTED, CAP_NET_BIND_SERVICE) == 0) return;
  capng_update(CAPNG_ADD, static_cast<capng_type_t>(CAPNG_INHERITABLE | CAPNG_AMBIENT), CAP_NET_BIND_SERVICE);
  capng_apply(static_cast<capng_select_t>(CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT));
}

}  // namespace shoal::controller
