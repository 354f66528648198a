#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/shard.hpp"
#include "broker/shard_set.hpp"
#include "store/memory_store.hpp"

// What the tests of the protocol core stand on: a shard with a clock that is moved by hand, and peers
// that speak MQTT to it without sockets. Defined in shard_harness_test.cpp.

namespace shoal::broker {

using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::ReasonCode;
using mqtt::Version;

/// A packet the shard sent, with its own bytes.
struct Sent {
  PacketType type{};
  Version version = Version::v5;
  std::vector<std::uint8_t> bytes;

  /// The packet as `T`, e.g. `mqtt::Publish`; it lives as long as this. Fails the test when it is not well-formed.
  template <class T>
  T as() const {
    return std::get<T>(packet());
  }
  mqtt::Packet packet() const;
  /// One word per fact, e.g. `PUBLISH a/b=payload q1 #7 dup retain`, `PUBACK #7 0x10`, `SUBACK #3 1 0x80`,
  /// `CONNACK 0 present`. Properties are left to `as`.
  std::string text() const;
};

/// Decides about credentials as it is told.
class FakeAuthority final : public Authority {
 public:
  auth::Verdict check(std::optional<std::string_view> user, std::optional<std::string_view> password) override;
  bool verify(std::uint64_t client, std::string_view user, std::string_view password) override;

  auth::Decision decision = auth::Decision::accepted;
  bool takes_more = true;
  std::vector<std::uint64_t> verifying;  ///< clients whose password is being verified
};

/// A shard on a thread of its own making: `now` moves only by `advance`. When SHOAL_TEST_SHARDS is set and there is no
/// store the instance has so many shards, and everything has to be as with one: clients go where they belong, and the
/// shards have their turns in an order of chance.
struct Bed {
  /// `disk`: what the shard's store keeps, and finds when a bed was made with it before. Without one there is a store
  /// of its own when SHOAL_TEST_STORE is set, as it is for the tests' second run; otherwise none.
  explicit Bed(BrokerOptions o = {}, store::MemoryStore::Disk* disk = nullptr, std::uint64_t segment_bytes = 8u << 20);
  /// Checks that the store has what there is: its image is the same after everything was told again.
  ~Bed();
  Bed(const Bed&) = delete;
  Bed& operator=(const Bed&) = delete;

  /// As if the process was killed: nothing is told any more, and nothing checked.
  void crash();

  /// Ends the turn, and more of them until nothing is left to do: everything that was said is handled and
  /// flushed, what has ended is destroyed.
  void turn();
  /// Ends the turn. True when something is left for another one.
  bool one_turn();
  /// Lets time pass, stopping at every deadline on the way.
  void advance(base::Duration time);

  BrokerOptions options;
  base::Time now{base::seconds(1'000'000)};
  io::TimerQueue timers;
  base::ChunkPool chunks;
  std::vector<std::string> log_lines;
  EdgeCounters edge;
  bool wants_turn = false;
  int memory_freed = 0;         ///< times
  std::uint64_t most_work = 0;  ///< that a turn's end did, in units of `session::Work`
  FakeAuthority authority;
  std::vector<class Peer*> peers;
  std::unique_ptr<base::Log> log;
  store::MemoryStore::Disk own_disk;
  store::MemoryStore::Disk* disk = nullptr;
  store::MemoryStore* store = nullptr;  ///< the shard's
  /// By which a bed's clock begins. Later beds with the same disk begin later, as long as a test wants.
  static constexpr store::WallMs kWall = 1'700'000'000'000;
  store::WallMs wall() const;

  /// Reads what other shards told that one.
  static void hear(Shard& shard) {
    if (shard.has_mail()) shard.hear();
  }
  // Of all shards, as `Broker` does it.
  Stats stats() const;
  bool disconnect(std::string_view client_id);
  void shut_down();
  Shard& shard_at(unsigned number) { return number == 0 ? shard : others[number - 1]->shard; }

  std::unique_ptr<ShardSet> set;  ///< null: there is one shard
  Shard shard;

  /// One of the other shards, on the same clock.
  struct OtherShard {
    OtherShard(Bed& bed, unsigned number);

    EdgeCounters edge;
    bool wants_turn = false;
    Shard shard;
  };
  std::vector<std::unique_ptr<OtherShard>> others;

 private:
  bool one_turn_of_all();

  std::uint32_t chance_ = 1;
};

/// CONNECT as the tests say it.
struct Hello {
  std::string_view id;
  bool clean = true;
  std::optional<std::uint32_t> expiry_s{};  ///< 5.0 only
  std::uint16_t keep_alive_s = 0;
  std::optional<std::uint16_t> receive_maximum{};
  std::optional<std::uint32_t> packet_size_max{};
  std::optional<std::string_view> user{};
  std::optional<std::string_view> password{};
};

/// The will of a `Hello`.
struct Last {
  std::string_view topic;
  std::string_view payload;
  std::uint8_t qos = 0;
  bool retain = false;
  mqtt::PropertyWriter properties{};
};

/// How a PUBLISH is sent.
struct How {
  std::uint8_t qos = 0;
  std::uint16_t id = 0;
  bool retain = false;
  bool dup = false;
  mqtt::PropertyWriter properties{};
};

/// One connection to a `Bed`: a client by hand. Every function that sends ends the turn.
class Peer final : public Transport {
 public:
  explicit Peer(Bed& bed, Version version = Version::v5);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // All return *this, so that `Peer a(bed); a.connect({"a"}).subscribe("t", 1);` reads well.
  Peer& send(const mqtt::Packet& packet);
  Peer& raw(base::Bytes bytes);
  Peer& raw(std::initializer_list<int> bytes);
  /// Says this in the turn that is under way, without ending it.
  Peer& give(base::Bytes bytes);
  Peer& connect(const Hello& hello);
  Peer& connect(const Hello& hello, const Last& will);
  Peer& publish(std::string_view topic, std::string_view payload, How how = {});
  Peer& subscribe(std::string_view filter, std::uint8_t qos, std::uint32_t subscription_id = 0);
  Peer& subscribe(std::string_view filter, mqtt::SubscriptionOptions options, std::uint32_t subscription_id = 0);
  Peer& unsubscribe(std::string_view filter);
  Peer& ack(PacketType type, std::uint16_t id, ReasonCode code = ReasonCode::success);
  Peer& disconnect(ReasonCode code = ReasonCode::success, std::optional<std::uint32_t> expiry_s = {});
  Peer& ping() { return send(mqtt::Pingreq{}); }
  /// The connection breaks.
  Peer& drop();
  /// From now on nothing leaves the link: a reader that does not read.
  Peer& stall(bool on);
  /// A stalled reader takes a few bytes.
  Peer& trickle(std::size_t bytes);

  /// What came since the last look, as texts.
  std::vector<std::string> got();
  /// The same as packets.
  std::vector<Sent> take();
  /// Forgets what came.
  Peer& skip() { return take(), *this; }
  /// The shard has closed the connection.
  bool closed() const { return !client_; }
  Client& client() { return *client_; }

 private:
  friend struct Bed;

  void flush() override;
  void resume() override;
  std::string peer() const override { return "192.0.2.1:50000"; }
  void read();
  void feed();
  void bury();
  void send_from_link(std::size_t bytes);

  Bed& bed_;
  Version version_;
  std::unique_ptr<Client> client_;
  std::vector<std::uint8_t> input_;   // not taken by the client yet
  std::vector<std::uint8_t> output_;  // not cut into packets yet
  std::vector<Sent> packets_;
  bool stalled_ = false;
  bool ended_ = false;
};

/// A limit changed: `Bed bed(with([](auto& o) { o.limits.inflight = 2; }));`
template <class Change>
BrokerOptions with(Change change) {
  BrokerOptions options;
  options.auth.anonymous = true;
  change(options);
  return options;
}

}  // namespace shoal::broker
