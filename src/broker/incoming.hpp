#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "broker/note.hpp"
#include "session/message.hpp"

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

}  // namespace shoal::broker
