#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/schema.hpp"

namespace shoal::config {

/// A key that was written, checked and converted.
struct Setting {
  const Key* key;
  Value value;
  Position key_at;
  Position value_at;
};

/// What one table says: [fleet], [workers.NAME], [defaults], a template or an instance. Layers put over each other
/// make an instance.
struct Layer {
  std::vector<Setting> settings;
  bool broken = false;  ///< something in it was a problem, so that what is missing may not be missing

  const Setting* find(std::string_view path) const;
  /// Sets what this layer says, over what is there. A layer that says anything about `auth` says all
  /// of it, so that defaults which let anybody in never add to an instance's users. Keys that the instance's engine
  /// does not have are left out.
  void apply(InstanceConfig& instance) const;
  void apply(FleetConfig& fleet) const;
  /// Of [workers.NAME], for an instance in that worker: sets the limits, and `values` as if they were its own.
  void apply_worker(InstanceConfig& instance) const;
};

/// Reads `table` by the schema of `scope`; what is wrong goes to `problems`. `folder` is that of the
/// file.
Layer read_layer(Scope scope, const Node& table, const std::string& folder, std::vector<Problem>& problems);

}  // namespace shoal::config
