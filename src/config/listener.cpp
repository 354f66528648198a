#include "config/listener.hpp"

#include <charconv>

#include <arpa/inet.h>

#include "config/document.hpp"

namespace shoal::config {
namespace {

constexpr std::string_view kScheme = "mqtt://";

/// The address in its canonical form, or nothing.
std::string canonical(const std::string& host, bool ipv6) {
  in6_addr address{};
  const int family = ipv6 ? AF_INET6 : AF_INET;
  char text[INET6_ADDRSTRLEN];
  if (::inet_pton(family, host.c_str(), &address) != 1) return {};
  return ::inet_ntop(family, &address, text, sizeof text);
}

/// `HOST:PORT`; `shown` is the whole of what was written. The string is what is wrong.
std::variant<ListenerConfig, std::string> parse_host_port(std::string_view text, const std::string& shown,
                                                          bool may_be_auto) {
  ListenerConfig listener;
  listener.ipv6 = text.starts_with('[');
  const std::size_t colon = text.rfind(':');
  const std::size_t bracket = text.rfind(']');
  if (colon == std::string_view::npos || (listener.ipv6 && (bracket == std::string_view::npos || colon < bracket)))
    return shown + " has no port";
  if (listener.ipv6 && bracket + 1 != colon) return shown + " is not a listener";

  const std::string_view host = listener.ipv6 ? text.substr(1, bracket - 1) : text.substr(0, colon);
  listener.host = canonical(host == "localhost" ? "127.0.0.1" : std::string(host), listener.ipv6);
  if (listener.host.empty()) return in_quotes(host) + " is not a numeric address";
  if (listener.ipv6 && listener.host.starts_with("::ffff:")) return shown + " is an IPv4 address in IPv6 form";

  const std::string_view port = text.substr(colon + 1);
  if (may_be_auto && port == "auto") return listener;
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc{} || end != port.data() + port.size() || number < 1 || number > 65535)
    return in_quotes(port) + " is not a port (1 to 65535" + (may_be_auto ? ", or auto)" : ")");
  listener.port = static_cast<std::uint16_t>(number);
  return listener;
}

}  // namespace

std::variant<ListenerConfig, std::string> parse_listener(std::string_view url) {
  constexpr std::string_view kHow =
      R"(; write "mqtt://HOST:PORT" or "mqtt://HOST:auto" with a numeric HOST, IPv6 in brackets)";
  const std::string shown = in_quotes(url);
  if (!url.starts_with(kScheme)) {
    const bool other = url.find("://") != std::string_view::npos;
    return shown + (other ? " is not served: only mqtt:// is" : " is not a listener") + std::string(kHow);
  }
  auto parsed = parse_host_port(url.substr(kScheme.size()), shown, true);
  if (auto* wrong = std::get_if<std::string>(&parsed)) *wrong += kHow;
  return parsed;
}

std::variant<ListenerConfig, std::string> parse_address(std::string_view text) {
  auto parsed = parse_host_port(text, in_quotes(text), false);
  if (auto* wrong = std::get_if<std::string>(&parsed))
    *wrong += R"(; write "HOST:PORT" with a numeric HOST, IPv6 in brackets, such as "127.0.0.1:9464")";
  return parsed;
}

bool overlaps(const ListenerConfig& a, const ListenerConfig& b) {
  if (a.foreign || b.foreign) return true;
  if (a.ipv6 != b.ipv6) return false;
  const char* any = a.ipv6 ? "::" : "0.0.0.0";
  return a.host == b.host || a.host == any || b.host == any;
}

}  // namespace shoal::config
