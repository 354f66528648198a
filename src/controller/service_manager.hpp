#pragma once

#include <string>

namespace shoal::controller {

/// Tells the service manager (`READY=1`, `STOPPING=1`) when it asked for it by NOTIFY_SOCKET; see
/// sd_notify(3). Failures do not matter: nobody listens then.
void notify_service_manager(const std::string& state);

}  // namespace shoal::controller
