#include "conversation/peer.hpp"

#include <algorithm>
#include <utility>

#include "conversation/bed.hpp"
#include "target.hpp"

namespace shoal::fuzz {
Peer::Peer(Bed& bed)
    : bed_(bed),
      client_(std::make_unique<broker::Client>(bed.shard(), *this)),
      opened_(bed.now()),
      last_input_(bed.now()) {}

void Peer::send(base::Bytes bytes) {
  if (!live()) return;
  input_.insert(input_.end(), bytes.begin(), bytes.end());
  feed();
}

// One packet at a time, each in a block of its own, so that nothing may refer to it afterwards.
void Peer::feed() {
  bed_.look();
  // Only with CONNACK is it known which session the rest is about.
  const auto waits = [this] { return bed_.stored() && connect_seen_ && !connack_seen_; };
  while (live() && !client_->paused() && !waits() && !input_.empty()) {
    mqtt::Frame frame;
    const mqtt::FrameStatus status = mqtt::cut_frame(input_, frame);
    const std::size_t size = status == mqtt::FrameStatus::complete ? frame.size : input_.size();
    const std::vector<std::uint8_t> given(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(size));
    const std::size_t used = client_->receive(given);
    check(used == 0 || used == size, "packets are taken whole");
    check(status != mqtt::FrameStatus::incomplete || used == 0, "half a packet is not taken");
    check(status != mqtt::FrameStatus::malformed || client_->ended(), "what is no packet ends the connection");
    if (used == 0) {
      bed_.look();
      if (status == mqtt::FrameStatus::complete) check(!live() || client_->paused(), "a whole packet is taken");
      return;
    }
    input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(used));
    last_input_ = bed_.now();
    mqtt::cut_frame(given, frame);
    took(frame);
    bed_.look();
  }
}

void Peer::look() {
  if (!client_) return;
  const base::ByteQueue& out = client_->link().out;
  if (out.size() > looked_) {
    std::vector<base::Bytes> pieces(out.size());  // at most: none is empty
    pieces.resize(out.peek(pieces.data(), pieces.size()));
    std::vector<std::uint8_t> bytes;
    for (const base::Bytes piece : pieces) bytes.insert(bytes.end(), piece.begin(), piece.end());
    check(bytes.size() == out.size(), "all that is written can be seen");
    base::Bytes fresh = base::Bytes(bytes).subspan(looked_);
    looked_ = out.size();
    while (!fresh.empty()) {
      mqtt::Frame frame;
      check(mqtt::cut_frame(fresh, frame) == mqtt::FrameStatus::complete, "packets are written whole");
      got(frame);
      fresh = fresh.subspan(frame.size);
    }
  }
  // What waits for the store is still said.
  if (client_->ended() && !client_->link().holds()) ended();
}

// The protocol has ended on the broker's side: the session goes on without a connection, or not at all.
void Peer::ended() {
  if (!session_) return;
  SessionModel& session = *std::exchange(session_, nullptr);
  session.peer = nullptr;
  // Unless the broker refused that DISCONNECT, by one of its own.
  if (last_expiry_s_ && !last_seen_) session.expiry_s = std::min(*last_expiry_s_, bed_.limits().session_expiry_s);
  check(!last_expiry_s_ || last_seen_ || *last_expiry_s_ == 0 || hello_.expiry_s != 0,
        "no expiry where there was none");
  if (!subscribes_.empty() || !unsubscribes_.empty()) session.lose_filters();
  if (session.expiry_s == 0) bed_.forget(hello_.client_id);
  else session.ends = bed_.now() + base::seconds(session.expiry_s);
}

void Peer::consume(std::size_t bytes) {
  base::ByteQueue& out = client_->link().out;
  for (base::Bytes piece; bytes > 0 && out.peek(&piece, 1) == 1;) {
    const std::size_t size = std::min(piece.size(), bytes);
    out.consume(size);
    looked_ -= size;
    bytes -= size;
  }
}

void Peer::flush() {
  const std::size_t before = client_->link().out.size();
  while (!stalled_ || client_->ended()) {
    bed_.look();
    consume(SIZE_MAX);
    client_->drained();
    if (client_->link().out.empty()) break;
  }
  client_->account_output(client_->link().out.size() < before);
  if (client_->ended()) flushed_end_ = true;
  else feed();
}

void Peer::drop() {
  if (!live()) return;
  client_->lost("connection lost");
  bed_.look();
}

void Peer::stall(bool on) {
  stalled_ = on;
  if (!on && client_) flush();
}

void Peer::trickle(std::size_t bytes) {
  if (!live() || !stalled_) return;
  bed_.look();
  consume(bytes);
  if (client_->link().out.empty()) client_->drained();
  client_->account_output(true);
  feed();
}

void Peer::settle() {
  if (!client_) return;
  if (client_->ended()) {
    check(flushed_end_, "who has ended is flushed");
    client_.reset();
    return;
  }
  // Answers up to twice the limit, and one message of any size.
  check(client_->link().out.size() <= 2 * bed_.limits().output_bytes + Bed::kMessageSizeMax,
        "what waits for a slow reader is bounded");
  for (const auto& [type, ids] : owed_) check(ids.empty(), "every packet is answered");
  check(subscribes_.empty() && unsubscribes_.empty(), "SUBSCRIBE and UNSUBSCRIBE are answered");
  if (client_->paused()) {
    paused_ = bed_.now();
    check(stalled_ || !client_->link().congested(), "who reads is heard");
    check(client_->link().congested() || !connack_seen_ || bed_.timer_armed(), "a pause ends some day");
    return;
  }
  mqtt::Frame frame;
  check(mqtt::cut_frame(input_, frame) == mqtt::FrameStatus::incomplete, "no packet is left lying");
}

base::Time Peer::due() const {
  if (!live()) return base::kNever;
  if (!connect_seen_) return opened_ + base::seconds(bed_.limits().connect_timeout_s);
  if (!connected() || hello_.keep_alive_s == 0 || client_->paused()) return base::kNever;
  // Who is not read cannot be heard.
  return std::max(last_input_, paused_) + base::milliseconds(hello_.keep_alive_s * 1500);
}

std::uint16_t Peer::unreleased(std::size_t nth) const {
  if (taken_.empty()) return 0;
  return *std::next(taken_.begin(), static_cast<std::ptrdiff_t>(nth % taken_.size()));
}

}  // namespace shoal::fuzz
