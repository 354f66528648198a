#pragma once

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/bytes.hpp"
#include "base/prefetch.hpp"
#include "base/raw_bytes.hpp"

namespace shoal::broker {

/// What one shard of an instance tells another. Behind each, what is in it in that order.
enum class Note : std::uint8_t {
  /// A message for who subscribes to it there: `Incoming`, publisher's client id (when it is from there),
  /// `FiltersThere`.
  message,
  /// A message whose topic is retained there: `Incoming`, publisher's client id. It goes on to everybody from there.
  through,
  /// So many of those (u32) have gone on.
  went_through,
  /// The fullest queue that messages from there came to, in percent (u8).
  backlog,
  /// The first of its subscriptions to a filter: filter, node of its tree (u32). The end of the last: filter.
  subscribed,
  unsubscribed,
  /// Retained messages for a new subscription: request (u32), publisher whose are left out (u64), filter.
  want_retained,
  /// More of them; those that came later, too; none any more: request (u32).
  more_retained,
  newer_retained,
  enough_retained,
  /// Some of them: request (u32), for each true (u8) and `Incoming`, then false (u8) and whether these are the last
  /// (u8).
  retained,
  /// Retained messages for a subscription of the program around: its place (u32), filter. Then each of them: its place
  /// (u32), `Incoming`.
  host_wants,
  for_host,
  /// Its part of a shared subscription: members (u32), of these connected (u32), filter.
  group_part,
  /// A message for one of the members there: retain (u8), filter, `Incoming`.
  for_group,
  /// It has handed so many (u32) of these to clients, and has some that none of its members can take (u8): filter.
  group_room,
  /// It is to give back what waits there: filter.
  group_recall,
  /// A message that none of its members got, before all that waits: retain (u8), filter, `Incoming`.
  from_group,
};

/// So many bytes of notes take about as long as it takes to bring memory from another core.
inline constexpr std::size_t kNotesAhead = 512;

/// Writes notes behind each other, for the same process to read.
class NoteWriter {
 public:
  explicit NoteWriter(base::RawBytes& bytes) : bytes_(bytes) {}

  /// Has what is soon written brought here: whoever read these bytes before has had it last.
  void prefetch() {
    constexpr std::size_t kNote = 256;  // most are smaller
    const std::size_t end = std::min(bytes_.size() + kNotesAhead + kNote, bytes_.capacity());
    for (std::size_t at = bytes_.size() + kNotesAhead; at < end; at += 64) base::prefetch_to_write(bytes_.data() + at);
  }
  /// So many bytes, to be filled in before anything else is written.
  std::uint8_t* space(std::size_t size) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + size);
    return bytes_.data() + at;
  }
  template <class Number>
  NoteWriter& number(Number value) {
    std::memcpy(space(sizeof value), &value, sizeof value);
    return *this;
  }
  NoteWriter& raw(base::Bytes some) {
    if (!some.empty()) std::memcpy(space(some.size()), some.data(), some.size());
    return *this;
  }
  NoteWriter& text(std::string_view text) { return bytes(base::as_bytes(text)); }
  NoteWriter& bytes(base::Bytes some) { return number(static_cast<std::uint32_t>(some.size())).raw(some); }

 private:
  base::RawBytes& bytes_;
};

/// Reads them again; what it gives lives as long as the bytes.
class NoteReader {
 public:
  explicit NoteReader(base::Bytes bytes) : bytes_(bytes) {}

  bool done() const { return bytes_.empty(); }
  /// Has what is soon read brought here.
  void prefetch() const {
    if (bytes_.size() <= kNotesAhead + 64) return;
    base::prefetch(bytes_.data() + kNotesAhead);
    base::prefetch(bytes_.data() + kNotesAhead + 64);
  }
  template <class Number>
  Number number() {
    Number value;
    std::memcpy(&value, raw(sizeof value).data(), sizeof value);
    return value;
  }
  std::string_view text() { return base::as_text(bytes()); }
  base::Bytes bytes() { return raw(number<std::uint32_t>()); }
  base::Bytes raw(std::size_t size) {
    assert(size <= bytes_.size());
    const base::Bytes taken = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return taken;
  }

 private:
  base::Bytes bytes_;
};

}  // namespace shoal::broker
