#include "controller/folders.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <string>

namespace shoal::controller {
namespace {

/// Makes the folder and its parents; those that are new can be entered by the owner only (`mode`).
Result<void> make_folder(const std::string& path, mode_t mode) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode))
    return {};  // of all but a few, whenever one is new
  std::error_code error;
  const mode_t before = ::umask(~mode & 0777);
  std::filesystem::create_directories(path, error);
  ::umask(before);
  if (!error) return {};
  const bool refused = error == std::errc::permission_denied || error == std::errc::read_only_file_system;
  return Error{ErrorCode::io, "the folder " + path + " cannot be made: " + error.message() +
                                  (refused ? "; SHOAL_HOME=DIR puts everything under a folder of your own" : "")};
}

}  // namespace

Result<void> make_folders(const config::FleetConfig& config, const std::vector<std::string>& names) {
  if (auto made = make_folder(config.run_dir, 0700); !made) return made;
  if (auto made = make_folder(config.state_dir, 0750); !made) return made;
  if (!config.log.file.empty()) {
    if (auto made = make_folder(config.log_dir, 0750); !made) return made;
  }
  for (const config::InstanceConfig& instance : config.instances) {
    if (!names.empty() && std::find(names.begin(), names.end(), instance.name) == names.end()) continue;
    if (auto made = make_folder(instance.state_dir, 0750); !made) return made;
  }
  return {};
}

}  // namespace shoal::controller
