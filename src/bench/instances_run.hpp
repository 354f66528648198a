#pragma once

#include "bench/stage.hpp"

namespace shoal::bench {

struct InstancesOptions {
  unsigned qos = 0;
  base::Duration limit = base::seconds(20);  ///< for every broker to answer, and then for the second message
};

/// Connects to every broker, again and again until it answers, subscribes and publishes; then publishes a second
/// message everywhere. Same topic everywhere: each subscriber must get its own broker's messages only. Blocks; an
/// interrupt ends it early.
Report run_instances(Stage& stage, const InstancesOptions& options);

}  // namespace shoal::bench
