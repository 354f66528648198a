#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "mqtt/packet.hpp"

namespace shoal::fuzz {

/// What a client may expect of its session: which subscriptions it was granted, and which messages are on
/// their way to it. Told of every packet in both directions; what cannot be is reported by `check`.
class SessionModel {
 public:
  /// A connection took the session up. `lossy`: its client does not take packets of every size, so that
  /// what was in flight may have ended without it.
  /// `stored`: QoS 2 messages wait for the store, which those at QoS 1 need not.
  void attached(bool lossy, bool stored);
  /// SUBACK said yes.
  void granted(std::string_view filter, std::uint8_t qos, std::uint32_t id);
  /// Messages may come that such a subscription allows.
  void expects(std::string_view filter, std::uint8_t qos, std::uint32_t id);
  /// UNSUBACK.
  void removed(std::string_view filter) { filters_.erase(std::string(filter)); }
  /// A connection ended before its SUBACK or UNSUBACK was seen.
  void lose_filters() { filters_known_ = false; }

  /// PUBACK, PUBREC or PUBCOMP went to the broker. True when a PUBREL has to follow.
  bool acknowledged(const mqtt::Ack& ack);
  /// A PUBLISH at QoS 1 or 2 came. `key` tells messages apart.
  void published(const mqtt::Publish& packet, const std::string& key, std::uint16_t receive_maximum,
                 std::uint16_t inflight_max);
  /// A PUBREL came that no PUBREC of this connection asked for.
  void released(std::uint16_t id);
  /// Some subscription it has or had allows this message.
  void allowed(std::string_view topic, const mqtt::Publish& packet) const;

  /// The filters it has now, unless `filters_known` says otherwise.
  const std::set<std::string>& filters() const { return filters_; }
  bool filters_known() const { return filters_known_; }
  /// An identifier of a message that waits for the client's answer, or 0.
  std::uint16_t unanswered(mqtt::PacketType& answer, std::size_t nth) const;

  std::uint32_t expiry_s = 0;
  base::Time ends = base::kNever;  ///< while it is not connected
  class Peer* peer = nullptr;      ///< while it is

 private:
  struct Flow {
    std::string key;
    std::uint8_t qos = 0;
    bool released = false;  // PUBREC was sent
    bool here = false;      // seen on this connection
    bool counts = false;    // its PUBLISH was: receive maximum bounds these
    unsigned order = 0;
  };
  struct Grant {
    std::string filter;
    std::uint8_t qos = 0;
    std::uint32_t id = 0;
  };

  std::vector<Grant> grants_;  // all there ever were: what was queued for them may still come
  std::set<std::string> filters_;
  std::map<std::uint16_t, Flow> flows_;
  unsigned next_order_ = 1;
  std::array<unsigned, 3> last_resent_{};  // by QoS
  bool filters_known_ = true;
  bool one_order_ = true;    // at whatever QoS
  bool flows_known_ = true;  // none can have ended without the client
};

}  // namespace shoal::fuzz
