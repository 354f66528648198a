#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "broker/note.hpp"
#include "session/message.hpp"
#include "topic/subscription_tree.hpp"

namespace shoal::broker {

/// A message with what its publisher asked for.
struct Incoming {
  std::string_view topic;
  base::Bytes payload;
  base::Bytes properties;  ///< to forward
  std::uint8_t qos = 0;
  bool retain = false;
  base::Time expires = base::kNever;

  std::size_t size() const { return topic.size() + properties.size() + payload.size(); }
};

/// As a retained one. The views live as long as the message.
Incoming incoming_of(const session::Message& message);
/// As it is in notes.
void write(NoteWriter& note, const Incoming& incoming);
/// The views live as long as the note.
Incoming read_incoming(NoteReader& note);

/// Which filters of the shard that it goes to a message matches, so that it is not searched for there again.
struct FiltersThere {
  static constexpr std::size_t kMost = 16;

  std::uint32_t changes = 0;  ///< of the filters there, that were known: if there are more by now, it is searched for
  std::uint8_t count = 0;     ///< 0: not told
  std::array<topic::SubscriptionTree::Node, kMost> nodes{};
};
/// More than `kMost` nodes are not told.
void write_filters_there(NoteWriter& note, std::uint32_t changes, std::span<const topic::SubscriptionTree::Node> nodes);
FiltersThere read_filters_there(NoteReader& note);

}  // namespace shoal::broker
