#include "client/resolve.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <array>
#include <memory>

namespace shoal::client {

Result<std::vector<io::Endpoint>> resolve(const std::string& host, std::uint16_t port) {
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  const std::string name = bracketed ? host.substr(1, host.size() - 2) : host;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int status = ::getaddrinfo(name.c_str(), nullptr, &hints, &list);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, ::freeaddrinfo);
  std::vector<io::Endpoint> endpoints;
  for (const addrinfo* each = status == 0 ? list : nullptr; each != nullptr; each = each->ai_next) {
    std::array<char, NI_MAXHOST> numeric{};
    if (::getnameinfo(each->ai_addr, each->ai_addrlen, numeric.data(), numeric.size(), nullptr, 0, NI_NUMERICHOST) !=
        0) {
      continue;
    }
    const std::string text = numeric.data();
    auto endpoint = io::Endpoint::parse("mqtt://" + (each->ai_family == AF_INET6 ? '[' + text + ']' : text) + ':' +
                                        std::to_string(port));
    if (endpoint) endpoints.push_back(*endpoint);
  }
  if (endpoints.empty()) {
    return Error{ErrorCode::not_found, "cannot find host " + host + ": " +
                                           (status == 0 ? "no address that can be used" : ::gai_strerror(status))};
  }
  return endpoints;
}

}  // namespace shoal::client
