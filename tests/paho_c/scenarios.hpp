#pragma once

#include <functional>
#include <map>
#include <string>

#include "client.hpp"

namespace paho_c {

/// Where a scenario runs.
struct Place {
  int port = 0;
  int version = 5;  ///< 4 is 3.1.1

  std::unique_ptr<Client> client(const std::string& id = "") const { return make_client(port, id, version); }
  /// A client that has connected.
  std::unique_ptr<Client> connected(const std::string& id = "", const Connect& how = {}) const;
  /// Properties of a session that is kept, where they are needed for that.
  Properties kept() const;
};

using Scenarios = std::map<std::string, std::function<void(const Place&)>>;
/// For both versions, and for 5.0 alone. They leave nothing behind, so that they can share an instance.
Scenarios scenarios();
Scenarios scenarios_v5();

}  // namespace paho_c
