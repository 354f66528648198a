#include "store/record.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

namespace shoal::store {
namespace {

// The first byte of a record. Never used again for something else.
enum Type : std::uint8_t {
  kSession = 1,
  kSessionGone = 2,
  kSubscription = 3,
  kSubscriptionGone = 4,
  kMessage = 5,
  kQueued = 6,
  kUnqueued = 7,
  kInFlight = 8,
  kSent = 9,
  kReceived = 10,
  kFinished = 11,
  kTaken = 12,
  kReleased = 13,
  kRetainedOnly = 14,  // of format 1: without the topic
  kRetainedGone = 15,
  kGroup = 16,
  kGroupGone = 17,
  kGroupQueued = 18,
  kGroupUnqueued = 19,
  kAlive = 20,
  kRetained = 21,
};

constexpr std::size_t kNumberMax = 10;  // bytes of a number
constexpr std::size_t kFixedMax = 64;   // of a record without texts and lists

// Bits of a copy's first byte, behind QoS.
constexpr std::uint8_t kRetain = 4;
constexpr std::uint8_t kHasGroup = 8;
constexpr std::uint8_t kHasIds = 16;
// Of a message in flight.
constexpr std::uint8_t kIsReleased = 32;
// Of a session.
constexpr std::uint8_t kHasWill = 1;
constexpr std::uint8_t kWillRetain = 2;
constexpr std::uint8_t kWillExpires = 4;
// Of a subscription, behind QoS.
constexpr std::uint8_t kNoLocal = 4;
constexpr std::uint8_t kRetainAsPublished = 8;

std::uint8_t bit(bool set, std::uint8_t value) { return set ? value : std::uint8_t{0}; }

}  // namespace

// Writes into room that is there already.
class RecordWriter::Out {
 public:
  Out(RecordWriter& writer, Type type, std::size_t more = 0) : writer_(writer), at_(writer.room(kFixedMax + more)) {
    *at_++ = type;
  }
  ~Out() { writer_.size_ = static_cast<std::size_t>(at_ - writer_.memory_.data()); }
  Out(const Out&) = delete;
  Out& operator=(const Out&) = delete;

  Out& byte(unsigned value) {
    *at_++ = static_cast<std::uint8_t>(value);
    return *this;
  }
  Out& number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) *at_++ = static_cast<std::uint8_t>(value | 0x80);
    *at_++ = static_cast<std::uint8_t>(value);
    return *this;
  }
  Out& bytes(base::Bytes bytes) {
    number(bytes.size());
    if (!bytes.empty()) std::memcpy(at_, bytes.data(), bytes.size());
    at_ += bytes.size();
    return *this;
  }
  Out& text(std::string_view text) { return bytes(base::as_bytes(text)); }
  Out& copy(const CopyRecord& copy, std::uint8_t more = 0) {
    byte(copy.qos | bit(copy.retain, kRetain) | bit(copy.group != 0, kHasGroup) | bit(!copy.ids.empty(), kHasIds) |
         more);
    number(copy.message);
    if (copy.group != 0) number(copy.group);
    if (copy.ids.empty()) return *this;
    number(copy.ids.size());
    for (const std::uint32_t id : copy.ids) number(id);
    return *this;
  }

 private:
  RecordWriter& writer_;
  std::uint8_t* at_;
};

std::uint8_t* RecordWriter::room(std::size_t size) {
  if (size_ + size > memory_.size()) memory_.resize(std::max({size_ + size, memory_.size() * 2, std::size_t{512}}));
  return memory_.data() + size_;
}

void RecordWriter::clear() {
  constexpr std::size_t kSmall = 4096;
  constexpr unsigned kSmallMax = 16;
  small_ = memory_.size() > kSmall && size_ < memory_.size() / 8 ? small_ + 1 : 0;
  size_ = front_;
  if (small_ < kSmallMax) return;
  shrink();
  small_ = 0;
}

void RecordWriter::put(const SessionRecord& r) {
  Out out(*this, kSession, r.client_id.size());
  out.byte(bit(r.will.has_value(), kHasWill) | bit(r.will && r.will->retain, kWillRetain) |
           bit(r.will && r.will->expiry_s, kWillExpires));
  out.number(r.number).text(r.client_id).number(r.expiry_s).number(r.since);
  if (!r.will) return;
  out.number(r.will->message).number(r.will->delay_s);
  if (r.will->expiry_s) out.number(*r.will->expiry_s);
}
void RecordWriter::put(const SessionGone& r) { Out(*this, kSessionGone).number(r.number); }
void RecordWriter::put(const SubscriptionRecord& r) {
  Out(*this, kSubscription, r.filter.size())
      .byte(r.qos | bit(r.no_local, kNoLocal) | bit(r.retain_as_published, kRetainAsPublished))
      .number(r.session)
      .text(r.filter)
      .number(r.id);
}
void RecordWriter::put(const SubscriptionGone& r) {
  Out(*this, kSubscriptionGone, r.filter.size()).number(r.session).text(r.filter);
}
void RecordWriter::put(const MessageRecord& r) {
  Out(*this, kMessage, r.topic.size() + r.properties.size() + r.payload.size())
      .byte(r.qos)
      .number(r.number)
      .number(r.expires)
      .text(r.topic)
      .bytes(r.properties)
      .bytes(r.payload);
}
void RecordWriter::put(const Queued& r) {
  Out(*this, kQueued, r.copy.ids.size() * kNumberMax).number(r.session).number(r.sequence).copy(r.copy);
}
void RecordWriter::put(const Unqueued& r) { Out(*this, kUnqueued).number(r.session).number(r.sequence); }
void RecordWriter::put(const InFlight& r) {
  Out(*this, kInFlight, r.copy.ids.size() * kNumberMax)
      .number(r.session)
      .number(r.id)
      .number(r.order)
      .copy(r.copy, bit(r.released, kIsReleased));
}
void RecordWriter::put(const Sent& r) {
  Out(*this, kSent).number(r.session).number(r.sequence).number(r.id).number(r.order);
}
void RecordWriter::put(const Received& r) { Out(*this, kReceived).number(r.session).number(r.id); }
void RecordWriter::put(const Finished& r) { Out(*this, kFinished).number(r.session).number(r.id); }
void RecordWriter::put(const Taken& r) { Out(*this, kTaken).number(r.session).number(r.id); }
void RecordWriter::put(const Released& r) { Out(*this, kReleased).number(r.session).number(r.id); }
void RecordWriter::put(const Retained& r) { Out(*this, kRetained, r.topic.size()).number(r.message).text(r.topic); }
void RecordWriter::put(const RetainedGone& r) { Out(*this, kRetainedGone, r.topic.size()).text(r.topic); }
void RecordWriter::put(const GroupRecord& r) { Out(*this, kGroup, r.filter.size()).number(r.number).text(r.filter); }
void RecordWriter::put(const GroupGone& r) { Out(*this, kGroupGone).number(r.number); }
void RecordWriter::put(const GroupQueued& r) {
  Out(*this, kGroupQueued).byte(bit(r.retain, 1)).number(r.group).number(r.sequence).number(r.message);
}
void RecordWriter::put(const GroupUnqueued& r) { Out(*this, kGroupUnqueued).number(r.group).number(r.sequence); }
void RecordWriter::put(const Alive&) { Out(*this, kAlive); }

// Reads parts of one record; `ok` is false from the first part on that is not there or out of range.
class RecordReader::In {
 public:
  explicit In(base::Bytes bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  base::Bytes rest() const { return rest_; }

  std::uint8_t byte(unsigned allowed) {
    if (rest_.empty()) return fail<std::uint8_t>();
    const std::uint8_t value = rest_[0];
    rest_ = rest_.subspan(1);
    return (value & ~allowed) == 0 ? value : fail<std::uint8_t>();
  }
  // Two bits that say 0, 1 or 2.
  std::uint8_t qos(std::uint8_t flags) { return (flags & 3) != 3 ? flags & 3 : fail<std::uint8_t>(); }
  template <class T>
  T number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const std::uint8_t part = rest_[0];
      rest_ = rest_.subspan(1);
      if (shift == 63 && part > 1) break;
      value |= std::uint64_t{part & 0x7fu} << shift;
      if ((part & 0x80) != 0) continue;
      return value <= std::numeric_limits<T>::max() ? static_cast<T>(value) : fail<T>();
    }
    return fail<T>();
  }
  // A number that is not 0: of a session, a message, a packet.
  template <class T>
  T name() {
    const T value = number<T>();
    return value != 0 ? value : fail<T>();
  }
  base::Bytes bytes(std::size_t most = SIZE_MAX) {
    const auto size = number<std::uint64_t>();
    if (size > rest_.size() || size > most) return fail<base::Bytes>();
    const base::Bytes found = rest_.first(size);
    rest_ = rest_.subspan(size);
    return found;
  }
  std::string_view text() { return base::as_text(bytes(0xffff)); }
  CopyRecord copy(std::vector<std::uint32_t>& ids, std::uint8_t flags) {
    CopyRecord copy;
    copy.qos = qos(flags);
    copy.retain = (flags & kRetain) != 0;
    copy.message = number<std::uint64_t>();
    if ((flags & kHasGroup) != 0) copy.group = name<std::uint32_t>();
    ids.clear();
    if ((flags & kHasIds) == 0) return copy;
    const auto count = name<std::uint64_t>();
    if (count > rest_.size()) fail<int>();
    for (std::uint64_t i = 0; ok_ && i < count; ++i) ids.push_back(name<std::uint32_t>());
    copy.ids = ids;
    return copy;
  }

 private:
  template <class T>
  T fail() {
    ok_ = false;
    rest_ = {};
    return {};
  }

  base::Bytes rest_;
  bool ok_ = true;
};

bool RecordReader::next(Record& record) {
  if (rest_.empty() || malformed_) return false;
  In in(rest_.subspan(1));
  using U64 = std::uint64_t;
  using U32 = std::uint32_t;
  using U16 = std::uint16_t;
  constexpr unsigned kCopyFlags = 3 | kRetain | kHasGroup | kHasIds;
  switch (rest_[0]) {
    case kSession: {
      SessionRecord r;
      const std::uint8_t flags = in.byte(kHasWill | kWillRetain | kWillExpires);
      r.number = in.name<U64>();
      r.client_id = in.text();
      r.expiry_s = in.number<U32>();
      r.since = in.number<U64>();
      if ((flags & kHasWill) != 0) {
        WillRecord& will = r.will.emplace();
        will.retain = (flags & kWillRetain) != 0;
        will.message = in.name<U64>();
        will.delay_s = in.number<U32>();
        if ((flags & kWillExpires) != 0) will.expiry_s = in.number<U32>();
      }
      record = r;
      break;
    }
    case kSessionGone: record = SessionGone{in.name<U64>()}; break;
    case kSubscription: {
      SubscriptionRecord r;
      const std::uint8_t flags = in.byte(3 | kNoLocal | kRetainAsPublished);
      r.qos = in.qos(flags);
      r.no_local = (flags & kNoLocal) != 0;
      r.retain_as_published = (flags & kRetainAsPublished) != 0;
      r.session = in.name<U64>();
      r.filter = in.text();
      r.id = in.number<U32>();
      record = r;
      break;
    }
    case kSubscriptionGone: {
      SubscriptionGone r;
      r.session = in.name<U64>();
      r.filter = in.text();
      record = r;
      break;
    }
    case kMessage: {
      MessageRecord r;
      r.qos = in.qos(in.byte(3));
      r.number = in.name<U64>();
      r.expires = in.number<U64>();
      r.topic = in.text();
      r.properties = in.bytes();
      r.payload = in.bytes();
      record = r;
      break;
    }
    case kQueued: {
      Queued r;
      r.session = in.name<U64>();
      r.sequence = in.number<U32>();
      r.copy = in.copy(ids_, in.byte(kCopyFlags));
      record = r;
      break;
    }
    case kUnqueued: {
      Unqueued r;
      r.session = in.name<U64>();
      r.sequence = in.number<U32>();
      record = r;
      break;
    }
    case kInFlight: {
      InFlight r;
      r.session = in.name<U64>();
      r.id = in.name<U16>();
      r.order = in.number<U32>();
      const std::uint8_t flags = in.byte(kCopyFlags | kIsReleased);
      r.released = (flags & kIsReleased) != 0;
      r.copy = in.copy(ids_, flags);
      record = r;
      break;
    }
    case kSent: {
      Sent r;
      r.session = in.name<U64>();
      r.sequence = in.number<U32>();
      r.id = in.name<U16>();
      r.order = in.number<U32>();
      record = r;
      break;
    }
    case kReceived:
    case kFinished:
    case kTaken:
    case kReleased: {
      const auto session = in.name<U64>();
      const auto id = in.name<U16>();
      if (rest_[0] == kReceived) record = Received{session, id};
      else if (rest_[0] == kFinished) record = Finished{session, id};
      else if (rest_[0] == kTaken) record = Taken{session, id};
      else record = Released{session, id};
      break;
    }
    case kRetainedOnly: record = Retained{in.name<U64>(), {}}; break;
    case kRetained: {
      const auto message = in.name<U64>();
      record = Retained{message, in.text()};
      break;
    }
    case kRetainedGone: record = RetainedGone{in.text()}; break;
    case kGroup: {
      GroupRecord r;
      r.number = in.name<U32>();
      r.filter = in.text();
      record = r;
      break;
    }
    case kGroupGone: record = GroupGone{in.name<U32>()}; break;
    case kGroupQueued: {
      GroupQueued r;
      r.retain = in.byte(1) != 0;
      r.group = in.name<U32>();
      r.sequence = in.number<U32>();
      r.message = in.name<U64>();
      record = r;
      break;
    }
    case kGroupUnqueued: {
      GroupUnqueued r;
      r.group = in.name<U32>();
      r.sequence = in.number<U32>();
      record = r;
      break;
    }
    case kAlive: record = Alive{}; break;
    default: malformed_ = true; return false;
  }
  malformed_ = !in.ok();
  rest_ = in.rest();
  return !malformed_;
}

}  // namespace shoal::store
