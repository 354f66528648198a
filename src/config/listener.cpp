#include "config/listener.hpp"

#include <charconv>

#include <arpa/inet.h>

#include "config/document.hpp"

namespace shoal::config {
namespace {

constexpr std::string_view kScheme = "mqtt://";

std::string wrong(std::string_view what) {
  return std::string(what) +
         R"(; write "mqtt://HOST:PORT" or "mqtt://HOST:auto" with a numeric HOST, IPv6 in brackets)";
}

/// The address in its canonical form, or nothing.
std::string canonical(const std::string& host, bool ipv6) {
  in6_addr address{};
  const int family = ipv6 ? AF_INET6 : AF_INET;
  char text[INET6_ADDRSTRLEN];
  if (::inet_pton(family, host.c_str(), &address) != 1) return {};
  return ::inet_ntop(family, &address, text, sizeof text);
}

}  // namespace

std::variant<ListenerConfig, std::string> parse_listener(std::string_view url) {
  const std::string shown = in_quotes(url);
  if (!url.starts_with(kScheme)) {
    if (url.find("://") != std::string_view::npos) return wrong(shown + " is not served: only mqtt:// is");
    return wrong(shown + " is not a listener");
  }
  const std::string_view rest = url.substr(kScheme.size());
  ListenerConfig listener;
  listener.ipv6 = rest.starts_with('[');
  const std::size_t colon = rest.rfind(':');
  const std::size_t bracket = rest.rfind(']');
  if (colon == std::string_view::npos || (listener.ipv6 && (bracket == std::string_view::npos || colon < bracket)))
    return wrong(shown + " has no port");
  if (listener.ipv6 && bracket + 1 != colon) return wrong(shown + " is not a listener");

  const std::string_view host = listener.ipv6 ? rest.substr(1, bracket - 1) : rest.substr(0, colon);
  listener.host = canonical(host == "localhost" ? "127.0.0.1" : std::string(host), listener.ipv6);
  if (listener.host.empty()) return wrong(in_quotes(host) + " is not a numeric address");
  if (listener.ipv6 && listener.host.starts_with("::ffff:")) return wrong(shown + " is an IPv4 address in IPv6 form");

  const std::string_view port = rest.substr(colon + 1);
  if (port == "auto") return listener;
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc{} || end != port.data() + port.size() || number < 1 || number > 65535)
    return wrong(in_quotes(port) + " is not a port (1 to 65535, or auto)");
  listener.port = static_cast<std::uint16_t>(number);
  return listener;
}

bool overlaps(const ListenerConfig& a, const ListenerConfig& b) {
  if (a.ipv6 != b.ipv6) return false;
  const char* any = a.ipv6 ? "::" : "0.0.0.0";
  return a.host == b.host || a.host == any || b.host == any;
}

}  // namespace shoal::config
