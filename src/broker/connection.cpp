#include "broker/connection.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "broker/instance.hpp"

namespace shoal::broker {
namespace {

// How long a peer has to read the last packet and close.
constexpr base::Duration kLinger = base::seconds(2);
// How long what a peer said before it went away is still listened to.
constexpr base::Duration kHungUp = base::seconds(10);

}  // namespace

Connection::Connection(Instance& instance, base::UniqueFd fd, const io::Endpoint& peer)
    : instance_(instance), fd_(std::move(fd)), peer_(peer), client_(instance.shard(), *this) {}

Connection::~Connection() { drop_kept(); }

bool Connection::open() {
  events_ = EPOLLIN;
  return instance_.reactor().add(fd_.get(), events_, *this).ok();
}

void Connection::on_events(std::uint32_t events) {
  if (closed_) return;
  instance_.want_turn_end();
  if (lingering_) return discard();
  if (client_.paused()) {
    if ((events & (EPOLLHUP | EPOLLERR)) != 0) hang_up();
    else if ((events & EPOLLIN) != 0) ignore_input();
  } else if ((events & ~EPOLLOUT) != 0 && !client_.ended()) {
    if (client_.its_turn()) {
      read();
    } else {
      unread_ = true;
      ignore_input();
    }
  }
  if (!closed_ && ((events & EPOLLOUT) != 0 || client_.ended())) flush();
}

// The peer is gone, and maybe not all was read that it said before. That counts all the same, when it is the
// client's turn; nobody is there for answers.
void Connection::hang_up() {
  if (hung_up_) return;
  hung_up_ = true;
  instance_.reactor().remove(fd_.get());
  wait_at_most(kHungUp);
  unread_ = true;
  flush();
}

void Connection::read() {
  unread_ = instance_.input_full();  // until the turn's end, which makes room
  if (unread_) return;
  const std::span<std::uint8_t> scratch = instance_.reactor().scratch();
  std::uint8_t* to = scratch.data();
  std::size_t room = scratch.size();
  const std::size_t kept = kept_ ? kept_->end : 0;
  const std::size_t expected = client_.expected_bytes();
  // A packet too large for the scratch buffer is read straight into its own memory, which grows as
  // bytes really come: a length alone reserves nothing.
  const bool large = expected > scratch.size() / 2;
  if (large) {
    if (kept == kept_->capacity) {
      base::ChunkPool::Chunk* const bigger = instance_.reactor().chunks().take(std::min(expected, kept * 2));
      std::memcpy(bigger->own(), kept_->own(), kept);
      bigger->end = static_cast<std::uint32_t>(kept);
      set_kept(bigger);
    }
    to = kept_->own() + kept;
    room = std::min<std::size_t>(kept_->capacity, expected) - kept;
  } else if (kept != 0) {
    std::memcpy(to, kept_->own(), kept);
    to += kept;
    room = std::max<std::size_t>(std::min(room, instance_.read_bytes_max()), 1 + kept) - kept;
  } else {
    room = std::min(room, instance_.read_bytes_max());
  }
  const ssize_t got = ::recv(fd_.get(), to, room, 0);
  if (got < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return;
    return client_.lost("connection lost");
  }
  if (got == 0) return client_.lost("closed by the client");
  instance_.counters().bytes_received += static_cast<std::uint64_t>(got);
  if (hung_up_) unread_ = true;
  // What other shards did before this was sent is known when it is handled. It may have ended this client.
  instance_.hear();
  if (closed_ || client_.ended()) return;
  if (!large) {
    drop_kept();
    return feed({scratch.data(), kept + static_cast<std::size_t>(got)});
  }
  kept_->end += static_cast<std::uint32_t>(got);
  if (kept_->end < expected) return;
  base::ChunkPool::Chunk* const whole = take_kept();
  feed({whole->own(), whole->end}, whole);
}

// `owner`, when the bytes are in one, is taken over.
void Connection::feed(base::Bytes bytes, base::ChunkPool::Chunk* owner) {
  const std::size_t used = client_.receive(bytes);
  if (client_.moves_to()) {
    move(bytes.subspan(used));
    if (owner) instance_.reactor().chunks().give(owner);
    return;
  }
  if (used > 0 || kept_since_ == base::Time{}) kept_since_ = instance_.reactor().now();
  held_ = client_.paused() && !client_.ended();
  if (held_ && owner && used < bytes.size()) {
    owner->begin += static_cast<std::uint32_t>(used);
    set_kept(owner);
  } else {
    if (!client_.ended() && used < bytes.size()) keep(bytes.subspan(used));
    if (owner) instance_.reactor().chunks().give(owner);
  }
}

// To the shard of its session, with everything that its client said.
void Connection::move(base::Bytes said) {
  closed_ = true;
  if (last_wait_) instance_.reactor().timers().cancel(*last_wait_);
  instance_.reactor().remove(fd_.get());
  instance_.move(*client_.moves_to(), std::move(fd_), peer_, said);
  instance_.bury(*this);
}

void Connection::keep(base::Bytes rest) {
  base::ChunkPool::Chunk* const chunk = instance_.reactor().chunks().take(rest.size());
  std::memcpy(chunk->own(), rest.data(), rest.size());
  chunk->end = static_cast<std::uint32_t>(rest.size());
  set_kept(chunk);
}

void Connection::set_kept(base::ChunkPool::Chunk* chunk) {
  if (base::ChunkPool::Chunk* const old = take_kept()) instance_.reactor().chunks().give(old);
  if (!chunk) return;
  kept_ = chunk;
  instance_.keep_input(chunk->capacity);
}

base::ChunkPool::Chunk* Connection::take_kept() {
  if (kept_) instance_.keep_input(-static_cast<std::ptrdiff_t>(kept_->capacity));
  return std::exchange(kept_, nullptr);
}

void Connection::end_input() {
  drop_kept();
  client_.end(mqtt::ReasonCode::quota_exceeded, "too much kept of incomplete packets");
}

// The reason for a pause is gone: what was read already is handled now, and then what was not.
void Connection::resume() {
  if (closed_ || client_.paused()) return;
  watch();
  const bool held = held_;
  held_ = false;
  if (held && kept_) {
    base::ChunkPool::Chunk* const waiting = take_kept();
    feed({waiting->own() + waiting->begin, waiting->end - waiting->begin}, waiting);
  } else if (unread_) {
    read();
  }
  // No event will tell of the rest.
  if (hung_up_ && unread_ && !client_.paused() && !client_.ended()) client_.wait_in_line();
}

void Connection::flush() {
  if (closed_ || lingering_) return;
  base::ByteQueue& out = client_.link().out;
  if (hung_up_) {
    out.clear();
    client_.link().drop_held();
    client_.account_output(false);
    if (client_.ended()) return close();
    if (!client_.paused()) client_.wait_in_line();
    return;
  }
  const std::size_t before = out.size();
  io::Flushed result = io::flush(fd_.get(), out, instance_.counters().bytes_sent);
  if (result == io::Flushed::all && !client_.ended()) {
    // Room again: what waited behind the full link follows, the rest of it in the next turns.
    client_.drained();
    if (!out.empty()) result = io::flush(fd_.get(), out, instance_.counters().bytes_sent);
    if (result == io::Flushed::all) client_.drained();
  }
  client_.account_output(result == io::Flushed::all || out.size() < before);
  if (result == io::Flushed::broken && !client_.ended()) return hang_up();
  if (client_.ended()) {
    const bool all = client_.link().size() == 0;
    if (result == io::Flushed::broken || (all && !client_.lingers())) return close();
    if (!last_wait_) wait_at_most(kLinger);
    if (all) return half_close();
  }
  watch();
  // Not from here: this may be in the middle of what another client said, or this one.
  if (held_ && !client_.ended() && !client_.paused()) client_.wait_in_line();
}

// What a client that pauses says is ignored when there is something: mostly it goes on before.
void Connection::watch() {
  std::uint8_t wanted = 0;
  if (!client_.ended() && (!client_.paused() || (events_ & EPOLLIN) != 0)) wanted |= EPOLLIN;
  if (!client_.link().out.empty() && !client_.dirty) wanted |= EPOLLOUT;
  watch(wanted);
}

void Connection::ignore_input() { watch(events_ & static_cast<std::uint8_t>(~EPOLLIN)); }

void Connection::watch(std::uint8_t events) {
  if (hung_up_ || events == events_) return;
  events_ = events;
  instance_.reactor().modify(fd_.get(), events_, *this);
}

// Closing with unread input would reset the connection and could take the last packet with it.
void Connection::half_close() {
  lingering_ = true;
  drop_kept();
  ::shutdown(fd_.get(), SHUT_WR);
  events_ = EPOLLIN;
  instance_.reactor().modify(fd_.get(), events_, *this);
}

void Connection::discard() {
  const std::span<std::uint8_t> scratch = instance_.reactor().scratch();
  const ssize_t got = ::recv(fd_.get(), scratch.data(), scratch.size(), 0);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) close();
}

void Connection::wait_at_most(base::Duration length) {
  if (!last_wait_) last_wait_ = std::make_unique<LastWait>(*this);
  instance_.reactor().timers().arm(*last_wait_, instance_.reactor().now() + length);
}

void Connection::end_wait() {
  if (hung_up_ && !client_.ended()) {
    if (!instance_.shard().sessions().may_end_more()) return wait_at_most(SessionTable::kMomentLater);
    client_.lost("connection lost");
  }
  close();
}

void Connection::abort() {
  client_.lost("closed");
  close();
}

void Connection::close() {
  if (closed_) return;
  closed_ = true;
  if (last_wait_) instance_.reactor().timers().cancel(*last_wait_);
  instance_.reactor().remove(fd_.get());
  fd_.reset();
  instance_.bury(*this);
}

}  // namespace shoal::broker
