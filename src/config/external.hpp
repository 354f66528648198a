#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/layer.hpp"

// Instances that are served by a foreign broker.
namespace shoal::config {

/// The keys that only they have.
std::vector<Key> external_keys();

/// Where a foreign broker is met: 127.0.0.1 and whatever else it binds, without a port.
ListenerConfig foreign_listener();

/// `["-c", "{config_file}"]`.
std::string list_text(std::span<const std::string> words);

/// What an instance is made from, the nearest first. Keys of a broken layer may be missing.
struct LayersOfInstance {
  const Layer& own;
  const Layer* shared = nullptr;  ///< its template's
  const Layer& defaults;

  /// The one that counts; null: it is not written.
  const Setting* find(std::string_view path) const;
};

Engine engine_of(const LayersOfInstance& layers);

/// Keys that were written for the instance, or in its template, and are those of the other engine.
void report_foreign_keys(const InstanceConfig& instance, const LayersOfInstance& layers,
                         std::vector<Problem>& problems);

/// What is missing, does not fit together or is not there. `layers` tell where it is written.
void check_external(const InstanceConfig& instance, const LayersOfInstance& layers, std::vector<Problem>& problems);

/// The arguments of a foreign broker with what stands for `{config_file}`, `{port}`, `{state_dir}` and `{name}`;
/// `{{` is one brace.
std::vector<std::string> expand(const InstanceConfig& instance, std::uint16_t port);

}  // namespace shoal::config
