#include "fleet/port_holder.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <arpa/inet.h>

namespace shoal::fleet {
namespace {

namespace fs = std::filesystem;

/// An address in the IPv6 form of both families.
struct Address {
  std::array<std::uint8_t, 16> bytes{};
  bool ipv6 = false;

  bool any() const {
    const auto first = bytes.begin() + (ipv6 ? 0 : 12);
    return std::all_of(first, bytes.end(), [](std::uint8_t b) { return b == 0; });
  }
};

constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

Address address_of(const config::ListenerConfig& listener) {
  Address address{.ipv6 = listener.ipv6};
  if (!listener.ipv6) std::memcpy(address.bytes.data(), kMapped, sizeof kMapped);
  ::inet_pton(listener.ipv6 ? AF_INET6 : AF_INET, listener.host.c_str(),
              address.bytes.data() + (listener.ipv6 ? 0 : 12));
  return address;
}

/// The kernel prints an address as 32-bit words in its own byte order.
Address parse_address(std::string_view hex) {
  Address address{.ipv6 = hex.size() == 32};
  std::size_t at = 0;
  if (!address.ipv6) {
    std::memcpy(address.bytes.data(), kMapped, sizeof kMapped);
    at = sizeof kMapped;
  }
  for (; hex.size() >= 8 && at < 16; hex.remove_prefix(8), at += 4) {
    std::uint32_t word = 0;
    std::from_chars(hex.data(), hex.data() + 8, word, 16);
    std::memcpy(address.bytes.data() + at, &word, 4);
  }
  return address;
}

bool collide(const Address& wanted, const Address& held) {
  if (wanted.bytes == held.bytes) return true;
  // Ours is IPv6 only; a foreign [::] may be for both families.
  if (wanted.ipv6 && !held.ipv6) return false;
  return held.any() ||
         (wanted.any() && (held.ipv6 == wanted.ipv6 || std::equal(kMapped, kMapped + 12, held.bytes.data())));
}

/// Inode of the socket in the way, a listening one before others; empty when there is none.
std::string find_inode(const config::ListenerConfig& listener, const std::string& proc) {
  const Address wanted = address_of(listener);
  std::string other;
  for (const char* table : {"/net/tcp", "/net/tcp6"}) {
    std::ifstream file(proc + table);
    std::string line;
    std::getline(file, line);  // headings
    while (std::getline(file, line)) {
      std::istringstream words(line);
      std::string number, local, remote, state, queues, timer, retransmits, user, timeout, inode;
      words >> number >> local >> remote >> state >> queues >> timer >> retransmits >> user >> timeout >> inode;
      const std::size_t colon = local.find(':');
      if (!words || colon == std::string::npos || inode == "0") continue;
      unsigned port = 0;
      std::from_chars(local.data() + colon + 1, local.data() + local.size(), port, 16);
      if (port != listener.port) continue;
      if (!listener.foreign && !collide(wanted, parse_address(local.substr(0, colon)))) continue;
      if (state == "0A") return inode;
      other = inode;
    }
  }
  return other;
}

bool has_socket(const fs::path& process, const std::string& link) {
  std::error_code error;
  for (fs::directory_iterator it(process / "fd", error), end; !error && it != end; it.increment(error)) {
    std::error_code unreadable;
    if (fs::read_symlink(it->path(), unreadable) == link) return true;
  }
  return false;
}

}  // namespace

std::optional<PortHolder> find_port_holder(const config::ListenerConfig& listener, const std::string& proc) {
  const std::string inode = find_inode(listener, proc);
  if (inode.empty()) return std::nullopt;
  const std::string link = "socket:[" + inode + ']';
  std::optional<PortHolder> holder;
  std::error_code error;
  for (fs::directory_iterator it(proc, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename();
    int pid = 0;
    const auto [rest, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (bad != std::errc{} || rest != name.data() + name.size()) continue;
    // A socket may be inherited; the oldest process is the one people know.
    if ((holder && holder->pid < pid) || !has_socket(it->path(), link)) continue;
    holder = PortHolder{.program = {}, .pid = pid};
    std::ifstream comm(it->path() / "comm");
    std::getline(comm, holder->program);
  }
  return holder;
}

}  // namespace shoal::fleet
