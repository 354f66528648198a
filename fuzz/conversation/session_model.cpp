#include "conversation/session_model.hpp"

#include <algorithm>

#include "mqtt/topic_name.hpp"
#include "mqtt/varint.hpp"
#include "target.hpp"

namespace shoal::fuzz {

using mqtt::PacketType;

void SessionModel::attached(bool lossy, bool stored) {
  for (auto& [id, flow] : flows_) flow.here = flow.counts = false;
  last_resent_ = {};
  one_order_ = !stored;
  if (lossy) flows_known_ = false;
}

void SessionModel::granted(std::string_view filter, std::uint8_t qos, std::uint32_t id) {
  filters_.insert(std::string(filter));
  expects(filter, qos, id);
}

void SessionModel::expects(std::string_view filter, std::uint8_t qos, std::uint32_t id) {
  if (const auto shared = mqtt::split_shared(filter)) {
    filter = shared->filter;
    flows_known_ = false;  // while it is away its messages may go to others
  }
  grants_.push_back({std::string(filter), qos, id});
}

bool SessionModel::acknowledged(const mqtt::Ack& ack) {
  const auto found = flows_.find(ack.id);
  const bool known = found != flows_.end();
  switch (ack.type) {
    case PacketType::puback:
      if (known && found->second.qos == 1) flows_.erase(found);
      return false;
    case PacketType::pubcomp:
      if (known && found->second.released) flows_.erase(found);
      return false;
    case PacketType::pubrec:
      if (mqtt::is_error(ack.code)) {
        if (known && found->second.qos == 2) flows_.erase(found);
        return false;
      }
      if (known && found->second.qos == 2) found->second.released = found->second.here = true;
      return true;
    default: return false;
  }
}

void SessionModel::published(const mqtt::Publish& packet, const std::string& key, std::uint16_t receive_maximum,
                             std::uint16_t inflight_max) {
  const auto found = flows_.find(packet.id);
  if (packet.dup) {
    check(found != flows_.end(), "DUP only for what was sent before");
    Flow& flow = found->second;
    check(!flow.here, "nothing is sent again on one connection");
    check(!flow.released, "no PUBLISH after PUBREC");
    check(flow.key == key && flow.qos == packet.qos, "what is sent again is the same");
    unsigned& last_resent = last_resent_[one_order_ ? 0 : packet.qos];
    check(flow.order > last_resent, "sent again in the order it was sent first");
    last_resent = flow.order;
    flow.here = flow.counts = true;
  } else {
    const bool ended_unseen = found != flows_.end() && !found->second.here && !flows_known_;
    check(found == flows_.end() || ended_unseen, "a packet identifier in flight is not used again");
    flows_[packet.id] = {key, packet.qos, false, true, true, next_order_++};
  }
  const auto counting =
      std::count_if(flows_.begin(), flows_.end(), [](const auto& flow) { return flow.second.counts; });
  check(counting <= receive_maximum, "receive maximum");
  check(!flows_known_ || flows_.size() <= inflight_max, "in flight within the limit");
}

void SessionModel::released(std::uint16_t id) {
  const auto found = flows_.find(id);
  check(found != flows_.end() && found->second.qos == 2, "PUBREL only for a QoS 2 message in flight");
  Flow& flow = found->second;
  check(!flow.here, "PUBREL is not sent again on one connection");
  check(flow.released || !flows_known_, "PUBREL only after PUBREC");
  flow.here = flow.released = true;
}

void SessionModel::allowed(std::string_view topic, const mqtt::Publish& packet) const {
  const auto matching = [&](const Grant& grant) { return mqtt::matches(grant.filter, topic); };
  check(std::any_of(grants_.begin(), grants_.end(),
                    [&](const Grant& grant) { return packet.qos <= grant.qos && matching(grant); }),
        "a subscription of this QoS matches");
  packet.properties.each([&](mqtt::PropertyId property, mqtt::Bytes value) {
    if (property != mqtt::PropertyId::subscription_identifier) return;
    std::uint32_t id = 0;
    std::size_t size = 0;
    mqtt::read_varint(value, id, size);
    check(std::any_of(grants_.begin(), grants_.end(),
                      [&](const Grant& grant) { return grant.id == id && matching(grant); }),
          "subscription identifiers are those of matching subscriptions");
  });
}

std::uint16_t SessionModel::unanswered(PacketType& answer, std::size_t nth) const {
  std::vector<std::uint16_t> here;
  for (const auto& [id, flow] : flows_) {
    if (flow.here) here.push_back(id);
  }
  if (here.empty()) return 0;
  const std::uint16_t id = here[nth % here.size()];
  const Flow& flow = flows_.at(id);
  answer = flow.qos == 1 ? PacketType::puback : flow.released ? PacketType::pubcomp : PacketType::pubrec;
  return id;
}

}  // namespace shoal::fuzz
