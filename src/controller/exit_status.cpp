#include "controller/exit_status.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace shoal::controller {

std::string killed_by(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return "killed by signal " + std::to_string(signal) + (name != nullptr ? " (" + std::string(name) + ")" : "");
}

std::string exit_text(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return "exited with code " + std::to_string(info.si_status);
  return killed_by(info.si_status);
}

bool is_crash(const siginfo_t& info) {
  constexpr int kCrashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS, SIGABRT, SIGTRAP};
  return info.si_code != CLD_EXITED &&
         std::find(std::begin(kCrashes), std::end(kCrashes), info.si_status) != std::end(kCrashes);
}

}  // namespace shoal::controller
