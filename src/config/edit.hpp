#pragma once

#include <string>
#include <utility>
#include <vector>

#include "config/fleet_config.hpp"
#include "shoal/result.hpp"

// Changing the files of a fleet. What a person wrote is changed by one line at most, or refused with its place; whole
// files are written only in instances.d/ and removed only when they were made here.

namespace shoal::config {

/// An instance that is to be made.
struct NewInstance {
  std::string name;
  std::string template_name{};                              ///< empty: none
  std::vector<std::pair<std::string, std::string>> keys{};  ///< dotted keys and values as text, lists with commas
};

/// Writes `instances.d/NAME.toml` for each of them, all or none. That the configuration is right with them is for
/// `load` to say. `known`: what there is, as it was read last. Errors: invalid_argument (name, key), unavailable (there
/// is such an instance or file), io.
Result<void> create_instances(const Places& places, const std::vector<NewInstance>& instances,
                              const FleetConfig& known);

/// Removes the file of an instance that was made by `create_instances`. Errors: unavailable (it was written by a
/// person: the message has the place), io.
Result<void> remove_instance(const Places& places, const std::string& name);

/// Sets one key of an instance in the file where it is written. `running`, when there is one: an instance with a file
/// of its own is checked among those, not among what their files say by now. Errors: invalid_argument (no such key, or
/// the value does not fit: nothing was changed), unavailable (it is written in a way that is not changed here: the
/// message has the place), io.
Result<void> set_key(const Places& places, const std::string& name, const std::string& key, const std::string& value,
                     const FleetConfig* running = nullptr);

}  // namespace shoal::config
