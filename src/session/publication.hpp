#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "mqtt/encode.hpp"
#include "session/link.hpp"
#include "session/message.hpp"

namespace shoal::session {

/// How one subscriber gets a message.
struct Copy {
  std::uint8_t qos = 0;
  bool retain = false;
  std::span<const std::uint32_t> ids;  ///< subscription identifiers
  std::uint32_t group = 0;             ///< the shared subscription's number; 0: ordinary ones
  bool group_survives = false;         ///< what of it this session does not acknowledge is kept for the others
};

/// What an appended PUBLISH came to.
enum class Written {
  yes,
  too_large,  ///< for the client's maximum packet size: dropped (MQTT-3.1.2-25)
  expired,    ///< its message expiry has passed (MQTT-3.3.2-5)
};

/// A message on its way to all its subscribers: views of the publisher's packet (or of a kept
/// message), the bytes of each wire form once they were needed, and the kept Message once somebody
/// had to keep it. Reused from message to message; nothing is allocated in the steady state.
class Publication {
 public:
  explicit Publication(MessagePool& pool) : pool_(&pool) {}

  /// Starts the next message. The views must live until the following `start` or `finish`.
  void start(std::string_view topic, Bytes payload, Bytes properties, std::uint8_t qos, Time expires, Time now);
  void start(const MessageRef& message, Time now);
  /// Lets go of the kept message.
  void finish() { message_ = {}; }

  std::string_view topic() const { return topic_; }
  Bytes payload() const { return payload_; }
  Bytes properties() const { return properties_; }
  Time expires() const { return expires_; }
  /// What it counts against limits, as `Message::size`.
  std::size_t size() const { return topic_.size() + properties_.size() + payload_.size(); }
  std::uint8_t qos() const { return qos_; }
  Time now() const { return now_; }
  /// The message for keeping; made at the first call.
  const MessageRef& message();

  /// Appends a PUBLISH to `link`. `id` is 0 at QoS 0. `batch`: what of the store it has to wait for, or 0.
  Written write(Link& link, const Copy& copy, std::uint16_t id, bool dup = false, std::uint64_t batch = 0);

 private:
  // A head (and small payload) as it was encoded for one combination of version, QoS and retain.
  struct Form {
    std::uint32_t offset = 0;  // into bytes_
    std::uint32_t size = 0;    // 0: not made yet
    std::uint32_t total = 0;   // with a payload that is sent by reference
    std::uint32_t id_at = 0;   // relative to offset
  };
  static constexpr std::size_t kForms = 2 * 3 * 2;

  bool shares_payload() const { return payload_.size() >= kSharedPayloadMin; }
  mqtt::PublishParts parts(const Copy& copy, std::uint16_t id, bool dup) const;
  const Form& form(mqtt::Version version, const Copy& copy);
  Written write_single(Link& link, const Copy& copy, std::uint16_t id, bool dup, std::uint64_t batch);

  // From this size on a payload is kept once and sent from there instead of being copied per client.
  static constexpr std::size_t kSharedPayloadMin = 4096;

  MessagePool* pool_;
  std::string_view topic_;
  Bytes payload_;
  Bytes properties_;
  Time expires_ = base::kNever;
  Time now_{};
  std::uint8_t qos_ = 0;
  MessageRef message_;
  Form forms_[kForms];
  std::vector<std::uint8_t> bytes_;
};

}  // namespace shoal::session
