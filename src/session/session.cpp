#include "session/session.hpp"

namespace shoal::session {

void Session::attach(Link& link, std::uint32_t expiry_s) {
  link_ = &link;
  expiry_s_ = expiry_s;
  if (inbound_ && inbound_->inflight() == 0) inbound_.reset();
  if (inbound_) inbound_->attach();
  outbound_.attach();
}

void Session::detach() {
  link_ = nullptr;
  outbound_.detach();
}

void Session::write_ack(mqtt::PacketType type, std::uint16_t id, mqtt::ReasonCode code) {
  base::ByteQueue& queue = link_->queue(pending());
  queue.commit(mqtt::encode_ack(queue.reserve(mqtt::kAckSizeMax), type, id, code, link_->version));
  ++outbound_.budget().acks;
}

bool Session::acknowledge(const mqtt::Ack& ack, Time now) {
  const Outbound::Acknowledged result = outbound_.acknowledge(ack.type, ack.id, ack.code, now);
  if (result.answer) write_ack(mqtt::PacketType::pubrel, ack.id, result.answer_code);
  return !result.wrong;
}

void Session::release(const mqtt::Ack& ack) {
  const bool known = inbound_ && inbound_->release(ack.id);
  if (known && journal()) journal()->released(*stored(), ack.id);
  write_ack(mqtt::PacketType::pubcomp, ack.id,
            known ? mqtt::ReasonCode::success : mqtt::ReasonCode::packet_identifier_not_found);
}

}  // namespace shoal::session
