#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "controller/machine.hpp"
#include "shoal/result.hpp"

namespace shoal::controller {

/// Starts the program of a foreign broker as a child in a session of its own: in its folder, with /dev/null, its log as
/// standard output and error, and the dispositions, signal mask and descriptors that a program expects; without the
/// variables by which a service manager knows this process. `before` hears the pid first; when it fails, or this
/// process ends in it, the program is never executed. Error: what of it did not work.
Result<pid_t> start_program(const ExternalBroker& broker, const std::function<Result<void>(pid_t)>& before);

}  // namespace shoal::controller
