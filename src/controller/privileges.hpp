#pragma once

#include <sys/types.h>

#include <string>

#include "config/fleet_config.hpp"
#include "shoal/result.hpp"

namespace shoal::controller {

/// Somebody of this system.
struct Account {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};

/// `NAME` or `NAME:GROUP`. Error: invalid_argument (there is no such user or group).
Result<Account> find_account(const std::string& user);

/// For this process and what it executes: nothing gains rights by being executed, and no capability goes on to workers.
void keep_rights_from_children();

/// `make_folders`; what root makes of them belongs to `fleet.user`. Errors as there, and as `find_account`.
Result<void> make_users_folders(const config::FleetConfig& config);
/// A file that root has made becomes that user's.
void give_to_user(const config::FleetConfig& config, int fd);

/// Becomes `fleet.user` when root runs this, for good; keeps only the right to bind ports below 1024. Before that the
/// folders of the fleet are made where they are missing and given to that user. Somebody else may run it when he is
/// that user. Errors, with the place of the key: no such user; run by somebody else; a folder or file that the user
/// cannot use, and what to do.
Result<void> become_user(const config::FleetConfig& config);

/// For the program that is executed in place of this one: it may bind those ports, too.
void hand_on_rights();

}  // namespace shoal::controller
