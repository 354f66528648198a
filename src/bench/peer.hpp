#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/latencies.hpp"
#include "bench/report.hpp"
#include "bench/stage.hpp"
#include "client/client.hpp"

namespace shoal::bench {

class Peer;

/// How far a crowd of peers is: counted by themselves. Of one run's thread.
struct Roll {
  std::uint64_t dialed = 0;
  std::uint64_t connected = 0;    ///< have had their CONNACK, also when gone meanwhile
  std::uint64_t subscribing = 0;  ///< SUBSCRIBEs without an answer
  std::uint64_t refused_filters = 0;
  std::uint64_t ended = 0;  ///< for whatever reason
  std::uint64_t lost = 0;   ///< those of `ended` that were not asked to
  std::string first_loss{};
  Latencies connack{};        ///< from the first TCP packet to CONNACK
  std::vector<Peer*> gone{};  ///< ended and not looked at yet; only with `collects`
  bool collects = false;      ///< somebody empties `gone`
};

/// One of many clients: connects, subscribes, leaves, and counts that. Not to be destroyed within a turn.
class Peer : protected client::Events {
 public:
  /// Without a client id it has a new one.
  Peer(Stage& stage, Roll& roll, const client::Options& options);
  virtual ~Peer() = default;
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  /// Once. `broker` outlives it.
  void dial(const Broker& broker);
  /// Asks for these, in packets of up to 10, a few of them at a time; each packet's answer is counted. Not while others
  /// are unanswered.
  void subscribe(std::vector<std::string> filters, unsigned qos);
  void leave() { client_.disconnect(); }
  /// Has what arrived acknowledged by TCP without a delay: a broker with Nagle's algorithm may wait for that.
  void hurry() { client_.acknowledge_now(); }
  bool connected() const { return client_.connected(); }
  const std::string& client_id() const { return client_.client_id(); }
  bool ended() const { return ended_; }

 protected:
  /// Nothing while there is no room, which `on_room` ends, and when it cannot be: then the stage fails.
  std::optional<std::uint16_t> publish(const client::Outgoing& message);
  void on_received(base::Time now) override { received_at_ = now; }
  void on_connected(const mqtt::Connack&) override;
  void on_subscribed(std::uint16_t id, base::Bytes codes) override;
  void on_end(const client::End& end) override;

  Stage& stage_;
  Roll& roll_;
  client::Client client_;
  base::Time received_at_{};  ///< when the bytes came that are being handled

 private:
  void subscribe_more();

  const Broker* broker_ = nullptr;
  base::Time dialed_at_{};
  std::vector<std::string> filters_;  // empty when all are asked for
  std::size_t next_filter_ = 0;
  std::uint8_t filter_qos_ = 0;
  std::uint32_t asked_ = 0;  // SUBSCRIBEs without an answer
  bool ended_ = false;
};

/// Connects all of `peers` to their brokers, `Settings::concurrency` at a time, and waits for that. False: the stage
/// says why in `failure`, or was interrupted.
struct Call {
  Peer* peer;
  const Broker* broker;
};
bool connect_all(Stage& stage, Roll& roll, const std::vector<Call>& calls);

/// Waits until every subscription is answered. False: as above; a filter that is refused is a failure too.
bool await_subscriptions(Stage& stage, Roll& roll);

/// The end of a run: says in `report` whether it was interrupted and why it failed; those who are connected say
/// goodbye, and the brokers have at most 3 s to close. Sessions that would stay are removed.
void conclude(Stage& stage, Report& report, const std::vector<Call>& calls);

}  // namespace shoal::bench
