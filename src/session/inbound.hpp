#pragma once

#include <cstdint>

#include "session/packet_id_set.hpp"

namespace shoal::session {

/// The incoming half of a session: which QoS 2 messages were taken but not released yet. A QoS 1
/// message is acknowledged in the turn it arrives in, so it never counts.
class Inbound {
 public:
  enum class Verdict {
    route,      ///< new: pass it on
    duplicate,  ///< QoS 2, already taken: acknowledge only (MQTT-4.3.3-10)
    exceeded,   ///< more in flight than the server's receive maximum (MQTT-3.3.4-7)
  };

  /// A PUBLISH at QoS 2.
  Verdict publish(std::uint16_t id, std::uint16_t receive_maximum) {
    if (taken_.contains(id)) return Verdict::duplicate;
    if (taken_.size() >= receive_maximum) return Verdict::exceeded;
    taken_.insert(id);
    return Verdict::route;
  }
  /// The message was refused in PUBREC: the flow ends (4.3.3).
  void refuse(std::uint16_t id) { taken_.erase(id); }
  /// A PUBREL; false when the identifier is not known.
  bool release(std::uint16_t id) { return taken_.erase(id); }

  std::size_t inflight() const { return taken_.size(); }

 private:
  PacketIdSet taken_;
};

}  // namespace shoal::session
