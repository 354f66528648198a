#pragma once

#include <string>

#include "cli/context.hpp"
#include "cli/password_source.hpp"

namespace shoal::cli {

/// `shoal users add INSTANCE USER`: hashes the password, writes the instance's users file (made when
/// missing) and tells a running controller. Without a password source it asks at the terminal.
/// Exit: 0, 1, 4.
void users_add(Context& context, const std::string& instance, const std::string& user, const PasswordSource& password);

/// `shoal users rm INSTANCE USER`. Exit: 0, 1, 4; 5 when there is no such user.
void users_remove(Context& context, const std::string& instance, const std::string& user);

/// `shoal users ls INSTANCE [--json]`: names in the order of the file. Exit: 0, 1, 4.
void users_list(Context& context, const std::string& instance, bool json);

}  // namespace shoal::cli
