#include "fleet/port_book.hpp"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "config/listener.hpp"

namespace shoal::fleet {
namespace {

constexpr std::size_t kFileBytesMax = 64 * 1024;  // a thousand listeners have less

std::string file_of(const config::InstanceConfig& instance) { return instance.state_dir + "/ports"; }

/// `HOST PORT`.
bool parse(std::string_view line, std::string_view& host, std::uint16_t& port) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return false;
  host = line.substr(0, space);
  const char* const end = line.data() + line.size();
  const auto [rest, error] = std::from_chars(line.data() + space + 1, end, port);
  return error == std::errc{} && rest == end && port != 0;
}

}  // namespace

PortBook::PortBook(const config::FleetConfig& fleet) : range_(fleet.port_range) {
  for (const config::InstanceConfig& instance : fleet.instances) {
    bool has_automatic = false;
    for (const config::ListenerConfig& listener : instance.listeners) {
      if (listener.port) owners_.emplace(*listener.port, Owner{instance.name, listener});
      else has_automatic = true;
    }
    if (has_automatic) read(instance);
  }
}

void PortBook::read(const config::InstanceConfig& instance) {
  const std::string path = file_of(instance);
  std::ifstream file(path, std::ios::binary);
  if (!file) return;
  std::string text(kFileBytesMax, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));

  bool damaged = text.size() == kFileBytesMax;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t length = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, length);
    rest.remove_prefix(std::min(length + 1, rest.size()));
    std::string_view host;
    std::uint16_t port = 0;
    if (!parse(line, host, port)) {
      damaged = true;
      continue;
    }
    // Listeners may have come, gone or changed places since: the host tells which is which.
    for (std::size_t i = 0; i < instance.listeners.size(); ++i) {
      const config::ListenerConfig& listener = instance.listeners[i];
      if (listener.port || listener.host != host || remembered(instance.name, i)) continue;
      assign(instance, i, port);
      break;
    }
  }
  if (damaged) damaged_.push_back(path);
}

std::optional<std::uint16_t> PortBook::remembered(const std::string& instance, std::size_t listener) const {
  const auto ports = automatic_.find(instance);
  if (ports == automatic_.end()) return std::nullopt;
  const auto port = ports->second.find(listener);
  return port == ports->second.end() ? std::nullopt : std::optional(port->second);
}

const PortBook::Owner* PortBook::other_owner(std::string_view instance, const config::ListenerConfig& listener) const {
  const Owner* found = nullptr;
  const auto [first, last] = owners_.equal_range(listener.port.value_or(0));
  for (auto it = first; it != last; ++it) {
    const Owner& owner = it->second;
    if (owner.instance == instance || !config::overlaps(owner.listener, listener)) continue;
    if (!found || (found->automatic && !owner.automatic)) found = &owner;
  }
  return found;
}

void PortBook::assign(const config::InstanceConfig& instance, std::size_t listener, std::uint16_t port) {
  if (const auto before = remembered(instance.name, listener)) {
    const auto [first, last] = owners_.equal_range(*before);
    for (auto it = first; it != last; ++it) {
      const config::ListenerConfig& owned = it->second.listener;
      if (!it->second.automatic || it->second.instance != instance.name ||
          owned.host != instance.listeners[listener].host)
        continue;
      owners_.erase(it);
      break;
    }
  }
  Owner owner{instance.name, instance.listeners[listener], true};
  owner.listener.port = port;
  owners_.emplace(port, std::move(owner));
  automatic_[instance.name][listener] = port;
}

void PortBook::remember(const config::InstanceConfig& instance, std::size_t listener, std::uint16_t port) {
  assign(instance, listener, port);
  unsaved_.insert(instance.name);
}

Result<void> PortBook::save(const config::InstanceConfig& instance) {
  if (!unsaved_.contains(instance.name)) return {};
  const std::string path = file_of(instance);
  const std::string fresh = path + ".new";
  std::error_code error;
  std::filesystem::create_directories(instance.state_dir, error);
  errno = 0;
  {
    std::ofstream file(fresh, std::ios::binary | std::ios::trunc);
    for (const auto& [listener, port] : automatic_[instance.name])
      file << instance.listeners[listener].host << ' ' << port << '\n';
    file.close();
    if (!file) error.assign(errno ? errno : EIO, std::generic_category());
  }
  if (!error) std::filesystem::rename(fresh, path, error);
  if (error) return Error{ErrorCode::io, "cannot write " + path + ": " + error.message()};
  unsaved_.erase(instance.name);
  return {};
}

}  // namespace shoal::fleet
