#include "controller/state_lock.hpp"

namespace shoal::controller {
namespace {

// No instance can be called that: its folder would be beside the lock.
std::string path_in(const std::string& folder) { return folder + "/.lock"; }

}  // namespace

Result<StateLock> StateLock::take(const std::string& folder) {
  auto lock = base::FileLock::take(path_in(folder));
  if (lock) return StateLock(std::move(*lock));
  if (lock.error().code != ErrorCode::unavailable) return std::move(lock).error();
  return Error{ErrorCode::unavailable, "a fleet is running already with " + folder + " (controller's pid " +
                                           lock.error().message +
                                           "); stop it with `shoal down`, or use another SHOAL_HOME"};
}

bool StateLock::is_held(const std::string& folder) { return base::FileLock::is_held(path_in(folder)); }

}  // namespace shoal::controller
