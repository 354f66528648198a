#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace shoal {

/// A connected client, as it was at one moment. Texts come from the client: any UTF-8.
struct ClientInfo {
  std::string client_id{};
  std::string user{};              ///< empty: it presented none
  std::string address{};           ///< `HOST:PORT`
  std::string protocol{};          ///< version of MQTT: 3.1, 3.1.1, 5.0
  std::uint64_t connected_s = 0;   ///< seconds since its CONNECT was accepted
  std::uint64_t keep_alive_s = 0;  ///< 0: none
  std::uint64_t subscriptions = 0;
  std::uint64_t queued_messages = 0;
  std::uint64_t queued_bytes = 0;
  std::uint64_t in_flight = 0;  ///< QoS 1 and 2 messages to it that it has not acknowledged
  std::uint64_t next = 0;       ///< where to go on behind it, as `ClientPage::next`
};

/// Some of an instance's clients.
struct ClientPage {
  std::vector<ClientInfo> clients{};
  std::uint64_t next = 0;  ///< where to go on; 0: there are no more
};

}  // namespace shoal
