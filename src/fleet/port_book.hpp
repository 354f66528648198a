#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/fleet_config.hpp"
#include "shoal/result.hpp"

namespace shoal::fleet {

/// Which port belongs to which instance of a fleet: the written ones, and those that `auto` listeners
/// got. The latter are remembered in `<state_dir>/<instance>/ports`, one `HOST PORT` per line, so that
/// an instance keeps its port for life. Used by the controller's thread.
class PortBook {
 public:
  /// Who a port belongs to.
  struct Owner {
    std::string instance;
    config::ListenerConfig listener;  ///< with its port
    bool automatic = false;
  };

  /// Reads what is remembered. A file that is damaged is as good as its intact lines; see `damaged`.
  explicit PortBook(const config::FleetConfig& fleet);

  config::PortRange range() const { return range_; }
  /// Paths of files with lines that made no sense.
  const std::vector<std::string>& damaged() const { return damaged_; }

  /// Port of the n-th listener of an instance, if that is automatic and has got one.
  std::optional<std::uint16_t> remembered(const std::string& instance, std::size_t listener) const;
  /// Some instance has this port, on whatever address.
  bool owned(std::uint16_t port) const { return owners_.contains(port); }
  /// Another instance that has this port on this or an overlapping address, one that wrote it before
  /// one that got it. Null: none.
  const Owner* other_owner(std::string_view instance, const config::ListenerConfig& listener) const;

  /// From now on `port` is that of the n-th listener. Kept in memory until `save`.
  void remember(const config::InstanceConfig& instance, std::size_t listener, std::uint16_t port);
  /// Writes the instance's file, if there is something new in it, as a whole or not at all.
  Result<void> save(const config::InstanceConfig& instance);

 private:
  void read(const config::InstanceConfig& instance);
  void assign(const config::InstanceConfig& instance, std::size_t listener, std::uint16_t port);

  config::PortRange range_;
  std::multimap<std::uint16_t, Owner> owners_;
  std::map<std::string, std::map<std::size_t, std::uint16_t>> automatic_;  // instance, listener
  std::set<std::string> unsaved_;
  std::vector<std::string> damaged_;
};

}  // namespace shoal::fleet
