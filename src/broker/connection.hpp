#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "broker/client.hpp"
#include "io/call_timer.hpp"
#include "io/reactor.hpp"
#include "io/socket.hpp"

namespace shoal::broker {

class Instance;

/// One TCP connection: reads into the reactor's buffer, keeps only what is left of an incomplete
/// packet, and sends what the client's protocol has to say at the end of the turn.
class Connection final : public Transport, private io::EventHandler {
 public:
  /// The socket is non-blocking. Call `open` next.
  Connection(Instance& instance, base::UniqueFd fd, const io::Endpoint& peer);
  ~Connection();

  /// Starts to read. False when the reactor cannot take it.
  bool open();
  /// What its client said before it came here.
  void take(base::Bytes said) { feed(said); }
  /// Breaks it off at once.
  void abort();
  Client& client() { return client_; }
  /// It has input that was not handled: because the rest does not come, or because it is not its turn.
  bool keeps_input() const { return kept_ != nullptr && !closed_; }
  /// What that costs others: its memory, by how long it took it.
  double kept_cost(base::Time now) const {
    return static_cast<double>(kept_->capacity) * static_cast<double>((now - kept_since_).count());
  }
  /// Ends it because of that (0x97).
  void end_input();

 private:
  void flush() override;
  void resume() override;
  std::string peer() const override { return peer_.text(); }
  void on_events(std::uint32_t events) override;

  void wait_at_most(base::Duration length);
  void end_wait();
  /// How long what the peer said, or reads, before it is gone is still waited for.
  using LastWait = io::CallTimer<&Connection::end_wait>;
  void read();
  void feed(base::Bytes bytes, base::ChunkPool::Chunk* owner = nullptr);
  void move(base::Bytes said);
  void keep(base::Bytes rest);
  void set_kept(base::ChunkPool::Chunk* chunk);
  void drop_kept() { set_kept(nullptr); }
  base::ChunkPool::Chunk* take_kept();
  void discard();
  void half_close();
  void close();
  void hang_up();
  void watch();
  void watch(std::uint8_t events);
  void ignore_input();

  Instance& instance_;
  base::UniqueFd fd_;
  io::Endpoint peer_;

 public:                    // as in Client
  std::uint32_t index = 0;  ///< place in the instance's list

 private:
  std::uint8_t events_ = 0;   // epoll's that it waits for
  bool held_ : 1 = false;     // the client paused: kept_ may hold complete packets
  bool unread_ : 1 = false;   // the socket has something that waits for the client's turn
  bool hung_up_ : 1 = false;  // the peer is gone; what it said before is still being handled
  bool lingering_ : 1 = false;
  bool closed_ : 1 = false;
  Client client_;
  // Start of an incomplete packet, or what waits while the client pauses: [begin, end).
  base::ChunkPool::Chunk* kept_ = nullptr;
  base::Time kept_since_{};              // when the packet at the start of it began
  std::unique_ptr<LastWait> last_wait_;  // null before the end
};

}  // namespace shoal::broker
