#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace shoal::controller {

/// Tells the service manager (`READY=1`, `STOPPING=1`) when it asked for it by NOTIFY_SOCKET; see
/// sd_notify(3). Failures do not matter: nobody listens then.
void notify_service_manager(const std::string& state);

/// How often the service manager (systemd's WatchdogSec) has to hear `WATCHDOG=1` at least; nothing: it does not want
/// to.
std::optional<std::chrono::microseconds> watchdog_interval();

}  // namespace shoal::controller
