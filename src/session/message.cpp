#include "session/message.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <new>
#include <utility>

namespace shoal::session {
namespace {

// Most messages are small, and many are kept: the sizes that malloc has, nothing of which is left over.
constexpr std::size_t kLeast = 24;
constexpr std::size_t kStep = 16;
constexpr std::size_t kSteps = 32;  // classes that are that far apart; the others double
constexpr std::size_t kStepsMax = kLeast + (kSteps - 1) * kStep;

constexpr std::size_t class_bytes(std::size_t size_class) {
  return size_class < kSteps ? kLeast + kStep * size_class : kStepsMax << (size_class - kSteps + 1);
}

constexpr std::size_t class_of(std::size_t size) {
  if (size <= kLeast) return 0;
  if (size <= kStepsMax) return (size - kLeast + kStep - 1) / kStep;
  return kSteps - 1 + static_cast<std::size_t>(std::bit_width((size - 1) / kStepsMax));
}

}  // namespace

MessagePool::~MessagePool() { trim(); }

void MessagePool::trim() {
  for (Free*& free : free_) {
    while (free) ::operator delete(std::exchange(free, free->next));
  }
  kept_bytes_ = 0;
}

void* MessagePool::take(std::size_t size, std::size_t size_class) {
  if (size_class >= kClasses || !free_[size_class]) {
    return ::operator new(size_class < kClasses ? class_bytes(size_class) : size);
  }
  kept_bytes_ -= class_bytes(size_class);
  return std::exchange(free_[size_class], free_[size_class]->next);
}

void MessagePool::put_back(void* block, std::size_t size_class) {
  if (size_class >= kClasses || kept_bytes_ + class_bytes(size_class) > kKeptBytesMax) {
    ::operator delete(block);
    return;
  }
  free_[size_class] = new (block) Free{free_[size_class]};
  kept_bytes_ += class_bytes(size_class);
}

MessageRef MessagePool::make(std::string_view topic, Bytes payload, Bytes properties, std::uint8_t qos, Time expires) {
  assert(topic.size() <= 0xffff);
  const std::size_t size = topic.size() + payload.size() + properties.size();
  const bool large = size >= Message::kLarge;
  const std::size_t front = storable_ ? sizeof(Message::Filed) : 0;
  const std::size_t block = front + sizeof(Message) + (large ? sizeof(Message::Apart) : size);
  const std::size_t block_class = class_of(block);
  const std::size_t size_class = large ? std::min(class_of(size), kClasses) : block_class;
  auto* const bytes = static_cast<std::uint8_t*>(take(block, block_class));
  if (storable_) new (bytes) Message::Filed();
  auto* message = new (bytes + front) Message();
  message->storable_ = storable_;
  bytes_now_ += cost(size);
  ++count_now_;
  message->pool_ = this;
  message->expires_ = expires;
  message->topic_size_ = static_cast<std::uint16_t>(topic.size());
  message->properties_size_ = static_cast<std::uint32_t>(properties.size());
  message->payload_size_ = static_cast<std::uint32_t>(payload.size());
  message->qos_ = qos & 3;
  message->large_ = large;
  message->size_class_ = static_cast<std::uint8_t>(size_class);
  auto* out = reinterpret_cast<std::uint8_t*>(message + 1);
  if (large) {
    out = static_cast<std::uint8_t*>(take(size, size_class));
    (new (message + 1) Message::Apart())->body = out;
  }
  for (const Bytes part : {base::as_bytes(topic), properties, payload}) {
    if (!part.empty()) std::memcpy(out, part.data(), part.size());
    out += part.size();
  }
  return MessageRef::adopt(message);
}

void Message::destroy() { pool_->give(this); }

void Message::set_stored(std::uint64_t number) const {
  assert(stored_number() == 0);
  ++pool_->stored_count_now_;
  pool_->stored_bytes_now_ += size();
  filed().number = number;
}

void Message::set_spot(Spot spot) const {
  if (!large_) return;
  apart().place = spot.place;
  apart().offset = spot.offset;
}

void Message::evict(std::uint32_t checksum) const {
  assert(evictable());
  pool_->put_back(std::exchange(apart().body, nullptr), size_class_);
  apart().checksum = checksum;
  pool_->bytes_now_ -= size();
  ++pool_->absent_count_now_;
  pool_->absent_bytes_now_ += size();
}

void Message::bring_back(Bytes body) const {
  assert(absent() && !lost() && body.size() == size());
  apart().body = static_cast<std::uint8_t*>(pool_->take(size(), size_class_));
  std::memcpy(apart().body, body.data(), body.size());
  pool_->bytes_now_ += size();
  --pool_->absent_count_now_;
  pool_->absent_bytes_now_ -= size();
}

MessageList& MessageList::operator=(MessageList&& other) noexcept {
  if (this != &other) {
    clear();
    append(other);
  }
  return *this;
}

const Message& MessageList::front() const {
  assert(!empty());
  return Message::of(*ends_.behind);
}

void MessageList::add(const Message& message) {
  MessageLink& link = message.filed().link;
  leave(link);
  link = {ends_.before, &ends_};
  ends_.before->behind = &link;
  ends_.before = &link;
}

void MessageList::append(MessageList& other) noexcept {
  if (other.empty()) return;
  ends_.before->behind = other.ends_.behind;
  other.ends_.behind->before = ends_.before;
  ends_.before = other.ends_.before;
  ends_.before->behind = &ends_;
  other.ends_ = {&other.ends_, &other.ends_};
}

std::vector<MessageRef> MessageList::absent(std::size_t count_max, std::size_t bytes_max) const {
  std::vector<MessageRef> found;
  std::size_t bytes = 0;
  for (MessageLink* link = ends_.behind; link != &ends_ && found.size() < count_max; link = link->behind) {
    Message& message = Message::of(*link);
    if (!message.absent() || message.lost()) continue;
    bytes += message.size();
    if (!found.empty() && bytes > bytes_max) break;
    message.retain();
    found.push_back(MessageRef::adopt(&message));
  }
  return found;
}

void MessageList::leave(MessageLink& link) {
  if (!link.before) return;
  link.before->behind = link.behind;
  link.behind->before = link.before;
  link = {};
}

std::uint64_t MessageList::bytes(std::uint64_t most) const {
  std::uint64_t bytes = 0;
  for (const MessageLink* link = ends_.behind; link != &ends_ && bytes <= most; link = link->behind) {
    bytes += Message::of(*link).size();
  }
  return bytes;
}

void MessageList::clear() {
  while (!empty()) leave(*ends_.behind);
}

void MessagePool::give(Message* message) {
  const std::size_t size = message->size();
  const std::size_t size_class = message->size_class_;
  const bool large = message->large_;
  bytes_now_ -= cost(size);
  --count_now_;
  const std::size_t front = message->storable_ ? sizeof(Message::Filed) : 0;
  if (message->storable_) MessageList::leave(message->filed().link);
  if (message->stored_number() != 0) {
    --stored_count_now_;
    stored_bytes_now_ -= size;
  }
  if (large && message->absent()) {
    bytes_now_ += size;
    --absent_count_now_;
    absent_bytes_now_ -= size;
  } else if (large) {
    put_back(message->apart().body, size_class);
  }
  message->~Message();
  put_back(reinterpret_cast<std::uint8_t*>(message) - front,
           large ? class_of(front + sizeof(Message) + sizeof(Message::Apart)) : size_class);
}

}  // namespace shoal::session
