#include <fmt/format.h>

#include "store/describe.hpp"

// The records as the people's page names them: docs/formats/store.md.

namespace shoal::store {
namespace {

std::string flag(bool set, const char* word) { return set ? std::string(" ") + word : ""; }

std::string text_of(const CopyRecord& copy) {
  std::string text = fmt::format("message={} qos={}{}", copy.message, copy.qos, flag(copy.retain, "retain"));
  if (copy.group != 0) text += fmt::format(" group={}", copy.group);
  for (const std::uint32_t id : copy.ids) text += fmt::format(" id={}", id);
  return text;
}

std::string text_of(const SessionRecord& r) {
  std::string text =
      fmt::format("session {} client={} expiry={} since={}", r.number, printable(r.client_id), r.expiry_s, r.since);
  if (!r.will) return text;
  text += fmt::format(" will={} delay={}{}", r.will->message, r.will->delay_s, flag(r.will->retain, "retain"));
  if (r.will->expiry_s) text += fmt::format(" will-expiry={}", *r.will->expiry_s);
  return text;
}
std::string text_of(const SessionGone& r) { return fmt::format("session-gone {}", r.number); }
std::string text_of(const SubscriptionRecord& r) {
  return fmt::format("subscription session={} filter={} qos={}{}{} id={}", r.session, printable(r.filter), r.qos,
                     flag(r.no_local, "no-local"), flag(r.retain_as_published, "retain-as-published"), r.id);
}
std::string text_of(const SubscriptionGone& r) {
  return fmt::format("subscription-gone session={} filter={}", r.session, printable(r.filter));
}
std::string text_of(const MessageRecord& r) {
  return fmt::format("message {} qos={} expires={} topic={} properties={} payload={}", r.number, r.qos, r.expires,
                     printable(r.topic), r.properties.size(), printable_payload(r.payload));
}
std::string text_of(const Queued& r) {
  return fmt::format("queued session={} sequence={} {}", r.session, r.sequence, text_of(r.copy));
}
std::string text_of(const Unqueued& r) { return fmt::format("unqueued session={} sequence={}", r.session, r.sequence); }
std::string text_of(const InFlight& r) {
  return fmt::format("in-flight session={} packet={} order={}{} {}", r.session, r.id, r.order,
                     flag(r.released, "released"), text_of(r.copy));
}
std::string text_of(const Sent& r) {
  return fmt::format("sent session={} sequence={} packet={} order={}", r.session, r.sequence, r.id, r.order);
}
std::string text_of(const Received& r) { return fmt::format("received session={} packet={}", r.session, r.id); }
std::string text_of(const Finished& r) { return fmt::format("finished session={} packet={}", r.session, r.id); }
std::string text_of(const Taken& r) { return fmt::format("taken session={} packet={}", r.session, r.id); }
std::string text_of(const Released& r) { return fmt::format("released session={} packet={}", r.session, r.id); }
std::string text_of(const Retained& r) {
  return fmt::format("retained message={} topic={}", r.message, printable(r.topic));
}
std::string text_of(const RetainedGone& r) { return fmt::format("retained-gone topic={}", printable(r.topic)); }
std::string text_of(const GroupRecord& r) { return fmt::format("group {} filter={}", r.number, printable(r.filter)); }
std::string text_of(const GroupGone& r) { return fmt::format("group-gone {}", r.number); }
std::string text_of(const GroupQueued& r) {
  return fmt::format("group-queued group={} sequence={} message={}{}", r.group, r.sequence, r.message,
                     flag(r.retain, "retain"));
}
std::string text_of(const GroupUnqueued& r) {
  return fmt::format("group-unqueued group={} sequence={}", r.group, r.sequence);
}
std::string text_of(const Alive&) { return "alive"; }

}  // namespace

std::string describe(const Record& record) {
  return std::visit([](const auto& one) { return text_of(one); }, record);
}

}  // namespace shoal::store
