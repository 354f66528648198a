#include "fleet/preflight.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "fleet/bind.hpp"

namespace shoal::fleet {
namespace {

using Level = Finding::Level;

// Of a process, beside its connections: log, epoll, control, stores and what libraries open.
constexpr std::uint64_t kOwnDescriptors = 64;
// For each instance: its log, its store's segments and lock.
constexpr std::uint64_t kPerInstance = 8;
constexpr std::uint64_t kLeastDisk = 64ull << 20;
// Of a connection with a session and a subscription, beside what it queues.
constexpr std::uint64_t kConnectionBytes = 1024;

std::optional<std::uint64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  return file >> number ? std::optional(number) : std::nullopt;
}

std::string size(std::uint64_t bytes) {
  if (bytes >= 10ull << 30) return fmt::format("{} GiB", bytes >> 30);
  if (bytes >= 10ull << 20) return fmt::format("{} MiB", bytes >> 20);
  return fmt::format("{} KiB", bytes >> 10);
}

/// Memory of this process' cgroup (v2), or nothing: no limit, or no such controller.
std::optional<std::uint64_t> cgroup_memory(const std::string& root) {
  std::ifstream file(root + "/proc/self/cgroup");
  std::optional<std::uint64_t> least;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("0::")) continue;
    // Every level above counts, too.
    for (std::filesystem::path group = line.substr(3); group.has_relative_path(); group = group.parent_path()) {
      const auto limit = number_in(root + "/sys/fs/cgroup" + group.string() + "/memory.max");
      if (limit && (!least || *limit < *least)) least = limit;
    }
  }
  return least;
}

bool is_external(const config::InstanceConfig& instance) { return instance.engine == config::Engine::external; }

struct Needs {
  std::uint64_t connections = 0;
  std::uint64_t listeners = 0;
  std::uint64_t instances = 0;
  std::uint64_t allowed = 0;  // by the configuration; 0: as many as there are

  std::uint64_t at_least() const { return kOwnDescriptors + 2 * listeners + kPerInstance * instances; }
  std::uint64_t at_most() const { return at_least() + connections; }
};

// What a worker is given against what its instances may use.
void check_allowed(std::vector<Finding>& found, const std::map<std::string, Needs>& workers) {
  for (const auto& [name, needs] : workers) {
    if (needs.allowed == 0 || needs.at_most() <= needs.allowed) continue;
    found.push_back({needs.at_least() > needs.allowed ? Level::fail : Level::warn, "descriptors",
                     fmt::format("the worker \"{}\" may have {} open; its limit of descriptors is {}", name,
                                 needs.at_most(), needs.allowed),
                     fmt::format("raise that to {}, or lower limits.connections", needs.at_most())});
  }
}

void check_descriptors(std::vector<Finding>& found, const config::FleetConfig& fleet, const MachineFacts& machine) {
  if (!machine.descriptors_hard) return;
  const std::uint64_t hard = *machine.descriptors_hard;
  std::map<std::string, Needs> workers;
  Needs all;
  for (const config::InstanceConfig& instance : fleet.instances) {
    if (is_external(instance)) continue;
    for (Needs* needs : {&workers[instance.worker == "own" ? "own " + instance.name : instance.worker], &all}) {
      needs->connections += instance.options.limits.connections;
      needs->listeners += instance.listeners.size();
      ++needs->instances;
      needs->allowed = instance.worker_limits.descriptors;
    }
  }
  check_allowed(found, workers);
  const auto worst = std::max_element(workers.begin(), workers.end(), [](const auto& a, const auto& b) {
    return a.second.at_most() < b.second.at_most();
  });
  if (worst == workers.end()) return;
  const std::uint64_t controller = kOwnDescriptors + all.listeners + 4 * workers.size();
  const std::string mend =
      fmt::format("raise it (`ulimit -Hn {}`, LimitNOFILE= of the unit), or lower limits.connections",
                  std::max(worst->second.at_most(), controller));
  const std::string detail = fmt::format("the worker \"{}\" may have {} open, the controller {}; a process may have {}",
                                         worst->first, worst->second.at_most(), controller, hard);
  if (worst->second.at_least() > hard || controller > hard) found.push_back({Level::fail, "descriptors", detail, mend});
  else if (worst->second.at_most() > hard) found.push_back({Level::warn, "descriptors", detail, mend});
  else found.push_back({Level::ok, "descriptors", detail});
  if (!machine.descriptors_system) return;
  const std::uint64_t total = all.at_most() + controller;
  const std::string sum = fmt::format("the fleet may have {} open; the system {}", total, *machine.descriptors_system);
  if (total <= *machine.descriptors_system) found.push_back({Level::ok, "descriptors of the system", sum});
  else
    found.push_back(
        {Level::warn, "descriptors of the system", sum, fmt::format("sysctl -w fs.file-max={}", 2 * total)});
}

std::uint64_t memory_of(const Limits& limits) {
  return limits.queued_bytes_total + limits.retained_bytes + limits.output_bytes_total + limits.input_bytes_total +
         limits.subscription_bytes + limits.store_queue_bytes + std::uint64_t{limits.connections} * kConnectionBytes;
}

void check_memory(std::vector<Finding>& found, const config::FleetConfig& fleet, const MachineFacts& machine) {
  if (!machine.memory_bytes) return;
  std::uint64_t total = 0;
  std::size_t external = 0;
  for (const config::InstanceConfig& instance : fleet.instances) {
    if (is_external(instance)) ++external;
    else total += memory_of(instance.options.limits);
  }
  const std::string more = external > 0 ? fmt::format(", beside {} external broker{}, of which nothing is known",
                                                      external, external > 1 ? "s" : "")
                                        : std::string();
  const std::string detail =
      fmt::format("all limits together allow {}{}; {} has {}", size(total), more,
                  machine.memory_of_cgroup ? "the cgroup" : "the machine", size(*machine.memory_bytes));
  if (total <= *machine.memory_bytes) found.push_back({Level::ok, "memory", detail});
  else
    found.push_back(
        {Level::warn, "memory", detail, "lower limits.queued_bytes_total and limits.retained_bytes in [defaults]"});
}

void check_disk(std::vector<Finding>& found, const config::FleetConfig& fleet, const MachineFacts& machine) {
  if (!machine.disk_free_bytes) return;
  std::uint64_t total = 0;
  for (const config::InstanceConfig& instance : fleet.instances) {
    if (is_external(instance) || instance.options.persistence == Persistence::none) continue;
    // Twice what is live; see docs/guide/persistence.md.
    total += 2 * (instance.options.limits.queued_bytes_total + instance.options.limits.retained_bytes);
  }
  const std::string detail =
      fmt::format("stores may take {}; {} has {} free", size(total), fleet.state_dir, size(*machine.disk_free_bytes));
  if (total > 0 && *machine.disk_free_bytes < kLeastDisk)
    found.push_back({Level::fail, "disk", detail, "make room, or set fleet.state_dir to another disk"});
  else if (total > *machine.disk_free_bytes)
    found.push_back({Level::warn, "disk", detail,
                     "lower limits.queued_bytes_total and limits.retained_bytes, or use a larger disk"});
  else found.push_back({Level::ok, "disk", detail});
}

void check_ports(std::vector<Finding>& found, const config::FleetConfig& fleet, const MachineFacts& machine) {
  const config::PortRange kernel = machine.ephemeral;
  if (kernel.last == 0) return;
  const std::size_t before = found.size();
  const std::string range = fmt::format("{}-{}", kernel.first, kernel.last);
  for (const config::InstanceConfig& instance : fleet.instances) {
    for (const config::ListenerConfig& listener : instance.listeners) {
      if (!listener.port || *listener.port < kernel.first || *listener.port > kernel.last) continue;
      found.push_back(
          {Level::warn, "ports",
           fmt::format("port {} of instance {} ({}) is within {}, where the kernel takes ports for outgoing "
                       "connections",
                       *listener.port, instance.name, listener.at.line_text(), range),
           fmt::format("choose one below {}, or sysctl -w net.ipv4.ip_local_reserved_ports={}", kernel.first,
                       *listener.port)});
    }
  }
  if (fleet.port_range.first <= kernel.last && fleet.port_range.last >= kernel.first) {
    found.push_back({Level::warn, "ports",
                     fmt::format("fleet.port_range {}-{} meets {}, where the kernel takes ports",
                                 fleet.port_range.first, fleet.port_range.last, range),
                     fmt::format("choose a range below {}", kernel.first)});
  }
  if (found.size() == before) found.push_back({Level::ok, "ports", "none is within " + range + ", the kernel's own"});
}

}  // namespace

MachineFacts read_machine(const config::FleetConfig& fleet, const std::string& root) {
  MachineFacts facts;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    facts.descriptors_soft = limit.rlim_cur;
    facts.descriptors_hard = limit.rlim_max;
  }
  facts.descriptors_system = number_in(root + "/proc/sys/fs/file-max");
  facts.somaxconn = number_in(root + "/proc/sys/net/core/somaxconn");
  std::ifstream(root + "/proc/sys/net/ipv4/ip_local_port_range") >> facts.ephemeral.first >> facts.ephemeral.last;
  std::ifstream memory(root + "/proc/meminfo");
  for (std::string line; std::getline(memory, line);) {
    std::istringstream words(line);
    std::string key;
    std::uint64_t kib = 0;
    if (words >> key >> kib && key == "MemTotal:") facts.memory_bytes = kib * 1024;
  }
  const auto group = cgroup_memory(root);
  if (group && (!facts.memory_bytes || *group < *facts.memory_bytes)) {
    facts.memory_bytes = group;
    facts.memory_of_cgroup = true;
  }
  std::error_code ignored;
  std::filesystem::path there = fleet.state_dir;
  while (!std::filesystem::exists(there, ignored) && there.has_relative_path()) there = there.parent_path();
  struct statvfs disk {};
  if (::statvfs(there.c_str(), &disk) == 0) facts.disk_free_bytes = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  return facts;
}

std::vector<Finding> preflight(const config::FleetConfig& fleet, const MachineFacts& machine) {
  std::vector<Finding> found;
  check_descriptors(found, fleet, machine);
  check_memory(found, fleet, machine);
  check_disk(found, fleet, machine);
  check_ports(found, fleet, machine);
  if (machine.somaxconn) {
    const std::string detail =
        fmt::format("listeners ask for {} waiting connections; the system allows {}", kBacklog, *machine.somaxconn);
    if (*machine.somaxconn >= kBacklog) found.push_back({Level::ok, "somaxconn", detail});
    else found.push_back({Level::warn, "somaxconn", detail, fmt::format("sysctl -w net.core.somaxconn={}", kBacklog)});
  }
  return found;
}

}  // namespace shoal::fleet
