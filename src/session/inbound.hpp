#pragma once

#include <cstdint>
#include <utility>

#include "session/packet_id_set.hpp"

namespace shoal::session {

/// The incoming half of a session: which QoS 2 messages were taken but not released yet. A QoS 1
/// message is acknowledged in the turn it arrives in, so it never counts. What was taken on an earlier
/// connection counts only once it is sent again: each connection starts with the whole receive
/// maximum (4.9).
class Inbound {
 public:
  enum class Verdict {
    route,      ///< new: pass it on
    duplicate,  ///< QoS 2, already taken: acknowledge only (MQTT-4.3.3-10)
    exceeded,   ///< more in flight than the server's receive maximum (MQTT-3.3.4-7)
  };

  /// How many messages of earlier connections may be unreleased besides.
  static constexpr std::size_t kEarlierMax = 1'000;

  /// A PUBLISH at QoS 2.
  Verdict publish(std::uint16_t id, std::uint16_t receive_maximum) {
    if (taken_.contains(id)) return Verdict::duplicate;
    if (taken_.size() >= receive_maximum) return Verdict::exceeded;
    const bool again = earlier_.erase(id);
    if (!again && inflight() >= kEarlierMax + receive_maximum) return Verdict::exceeded;
    taken_.insert(id);
    return again ? Verdict::duplicate : Verdict::route;
  }
  /// The message was refused in PUBREC: the flow ends (4.3.3).
  void refuse(std::uint16_t id) { taken_.erase(id); }
  /// A PUBREL; false when the identifier is not known.
  bool release(std::uint16_t id) { return taken_.erase(id) || earlier_.erase(id); }
  /// A new connection begins.
  void attach() {
    if (earlier_.size() == 0) {
      std::swap(earlier_, taken_);
      return;
    }
    taken_.each([&](std::uint16_t id) { earlier_.insert(id); });
    taken_ = {};
  }

  /// Was taken before the process that is gone.
  void restore(std::uint16_t id) { earlier_.insert(id); }
  /// Calls `visit(id)` for each one that was taken and not released.
  template <class Visit>
  void each(Visit visit) const {
    taken_.each(visit);
    earlier_.each(visit);
  }

  std::size_t inflight() const { return taken_.size() + earlier_.size(); }

 private:
  PacketIdSet taken_;    // on this connection
  PacketIdSet earlier_;  // on those before
};

}  // namespace shoal::session
