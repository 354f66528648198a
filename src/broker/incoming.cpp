#include "broker/incoming.hpp"

#include <cstring>

namespace shoal::broker {
namespace {

// Before the bytes, in one piece: there is one for each message.
struct Head {
  base::Time expires;
  std::uint32_t topic;
  std::uint32_t properties;
  std::uint32_t payload;
  std::uint8_t qos;
  bool retain;
};

}  // namespace

Incoming incoming_of(const session::Message& message) {
  return {message.topic(), message.payload(), message.properties(), message.qos(), true, message.expires()};
}

void write(NoteWriter& note, const Incoming& incoming) {
  Head head{};
  head.expires = incoming.expires;
  head.topic = static_cast<std::uint32_t>(incoming.topic.size());
  head.properties = static_cast<std::uint32_t>(incoming.properties.size());
  head.payload = static_cast<std::uint32_t>(incoming.payload.size());
  head.qos = incoming.qos;
  head.retain = incoming.retain;
  std::uint8_t* to = note.space(sizeof head + incoming.size());
  const auto put = [&](const void* from, std::size_t size) {
    if (size != 0) std::memcpy(to, from, size);
    to += size;
  };
  put(&head, sizeof head);
  put(incoming.topic.data(), incoming.topic.size());
  put(incoming.properties.data(), incoming.properties.size());
  put(incoming.payload.data(), incoming.payload.size());
}

Incoming read_incoming(NoteReader& note) {
  const Head head = note.number<Head>();
  Incoming incoming;
  incoming.topic = base::as_text(note.raw(head.topic));
  incoming.properties = note.raw(head.properties);
  incoming.payload = note.raw(head.payload);
  incoming.qos = head.qos;
  incoming.retain = head.retain;
  incoming.expires = head.expires;
  return incoming;
}

void write_filters_there(NoteWriter& note, std::uint32_t changes,
                         std::span<const topic::SubscriptionTree::Node> nodes) {
  if (nodes.empty() || nodes.size() > FiltersThere::kMost) {
    note.number(std::uint8_t{0});
    return;
  }
  note.number(static_cast<std::uint8_t>(nodes.size())).number(changes);
  std::memcpy(note.space(nodes.size_bytes()), nodes.data(), nodes.size_bytes());
}

FiltersThere read_filters_there(NoteReader& note) {
  FiltersThere filters;
  filters.count = note.number<std::uint8_t>();
  if (filters.count == 0) return filters;
  filters.changes = note.number<std::uint32_t>();
  const base::Bytes nodes = note.raw(filters.count * sizeof filters.nodes[0]);
  std::memcpy(filters.nodes.data(), nodes.data(), nodes.size());
  return filters;
}

}  // namespace shoal::broker
