#include "session/message.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <new>

namespace shoal::session {
namespace {

constexpr std::size_t kStep = 64;  // a cache line: most messages are small, and many are kept
constexpr std::size_t kSteps = 8;  // classes that are that far apart; the others double

constexpr std::size_t class_bytes(std::size_t size_class) {
  return size_class < kSteps ? kStep * (size_class + 1) : kStep * kSteps << (size_class - kSteps + 1);
}

constexpr std::size_t class_of(std::size_t size) {
  if (size <= kStep * kSteps) return (size - 1) / kStep;
  return kSteps - 1 + static_cast<std::size_t>(std::bit_width((size - 1) / (kStep * kSteps)));
}

}  // namespace

MessagePool::~MessagePool() {
  for (Free* free : free_) {
    while (free) ::operator delete(std::exchange(free, free->next));
  }
}

MessageRef MessagePool::make(std::string_view topic, Bytes payload, Bytes properties, std::uint8_t qos, Time expires) {
  assert(topic.size() <= 0xffff);
  const std::size_t size = sizeof(Message) + topic.size() + payload.size() + properties.size();
  const std::size_t size_class = std::min(class_of(size), kClasses);
  void* memory;
  if (size_class < kClasses && free_[size_class]) {
    memory = std::exchange(free_[size_class], free_[size_class]->next);
    kept_bytes_ -= class_bytes(size_class);
  } else {
    memory = ::operator new(size_class < kClasses ? class_bytes(size_class) : size);
  }
  bytes_now_ += size;
  ++count_now_;
  auto* message = new (memory) Message();
  message->pool_ = this;
  message->expires_ = expires;
  message->topic_size_ = static_cast<std::uint16_t>(topic.size());
  message->properties_size_ = static_cast<std::uint32_t>(properties.size());
  message->payload_size_ = static_cast<std::uint32_t>(payload.size());
  message->qos_ = qos;
  message->size_class_ = static_cast<std::uint8_t>(size_class);
  auto* out = reinterpret_cast<std::uint8_t*>(message + 1);
  for (const Bytes part : {base::as_bytes(topic), properties, payload}) {
    if (!part.empty()) std::memcpy(out, part.data(), part.size());
    out += part.size();
  }
  return MessageRef::adopt(message);
}

void Message::destroy() { pool_->give(this); }

void Message::set_stored(std::uint64_t number) const {
  assert(stored_number_ == 0);
  ++pool_->stored_count_now_;
  pool_->stored_bytes_now_ += size();
  stored_number_ = number;
}

MessageList& MessageList::operator=(MessageList&& other) noexcept {
  if (this != &other) {
    clear();
    take(other);
  }
  return *this;
}

void MessageList::take(MessageList& other) {
  if (other.empty()) return;
  ends_ = other.ends_;
  ends_.before->behind = ends_.behind->before = &ends_;
  other.ends_ = {&other.ends_, &other.ends_};
}

const Message& MessageList::front() const {
  assert(!empty());
  return static_cast<const Message&>(*ends_.behind);
}

void MessageList::add(const Message& message) {
  // To be in a list is not part of what a message is.
  auto& link = static_cast<MessageLink&>(const_cast<Message&>(message));
  leave(link);
  link = {ends_.before, &ends_};
  ends_.before->behind = &link;
  ends_.before = &link;
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
    bytes += static_cast<const Message&>(*link).size();
  }
  return bytes;
}

void MessageList::clear() {
  while (!empty()) leave(*ends_.behind);
}

void MessagePool::give(Message* message) {
  const std::size_t size_class = message->size_class_;
  bytes_now_ -= cost(message->size());
  --count_now_;
  MessageList::leave(*message);
  if (message->stored_number_ != 0) {
    --stored_count_now_;
    stored_bytes_now_ -= message->size();
  }
  message->~Message();
  if (size_class >= kClasses || kept_bytes_ + class_bytes(size_class) > kKeptBytesMax) {
    ::operator delete(message);
    return;
  }
  free_[size_class] = new (message) Free{free_[size_class]};
  kept_bytes_ += class_bytes(size_class);
}

}  // namespace shoal::session
