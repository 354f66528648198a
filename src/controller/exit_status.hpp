#pragma once

#include <csignal>
#include <string>

namespace shoal::controller {

/// How a process ended, for a person: `exited with code 1`, `killed by signal 9 (KILL)`.
std::string exit_text(const siginfo_t& info);
/// `killed by signal 9 (KILL)`.
std::string killed_by(int signal);
/// It died of a signal that programs get for their own faults.
bool is_crash(const siginfo_t& info);

}  // namespace shoal::controller
