#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/due_queue.hpp"
#include "bench/faults.hpp"
#include "bench/filter_cells.hpp"
#include "bench/mapping.hpp"
#include "bench/pace.hpp"
#include "bench/peer.hpp"
#include "bench/stamp.hpp"
#include "bench/stream_check.hpp"
#include "bench/window.hpp"

namespace shoal::bench {

/// What publishers send to subscribers, and how.
struct TrafficOptions {
  Mapping mapping{};  ///< for each broker
  unsigned qos = 0;
  std::size_t payload_bytes = 64;  ///< at least Stamp::kBytes
  /// Closed loop: so many messages of each publisher may be on their way. At QoS 1 and 2 as counted by
  /// acknowledgements, at QoS 0 by the slowest of its subscribers.
  std::uint32_t window = 100;  ///< 1 to client::Options::kInflightMax
  double rate = 0;             ///< open loop when above 0: messages a second, of all publishers and brokers together
  base::Duration length = base::seconds(5);
  base::Duration warmup = base::milliseconds(500);  ///< at the beginning, not measured
  std::uint64_t count = 0;                          ///< each publisher ends after so many; 0: when the time is over
  std::optional<base::Duration> nap{};              ///< see `Stage::nap`; nothing: as the load suggests
  FilterCells::Mix mix{};                           ///< of Mapping::Kind::cells
  std::uint32_t cells = 0;                          ///< how many
};

/// What one run's peers count together. Of its thread.
struct Tally {
  std::uint64_t sent = 0;
  std::uint64_t expected = 0;   ///< deliveries
  std::uint64_t delivered = 0;  ///< each once
  std::uint64_t measured = 0;   ///< of those, within the measuring window
  std::uint64_t unacknowledged = 0;
  std::uint64_t answers = 0;
  Faults faults{};
  Latencies latency{};
  Latencies send_lag{};  ///< open loop: how late this program itself was
  base::Time measure_from = base::kNever;
  base::Time measure_until = base::kNever;
  base::Time last_delivery{};
  bool sending = false;
};

class Lane;

/// A publisher of a lane.
class Sender final : public Peer {
 public:
  Sender(Lane& lane, Roll& roll, const client::Options& options, std::uint32_t number);

  std::uint64_t sent() const { return window_.sent(); }
  std::string_view topic() const { return topic_; }
  /// Closed loop: fills its window if half of it is free; `at_once`: whatever is free. Returns whether it sent.
  bool refill(bool at_once = false);
  /// Closed loop at QoS 0: what is on its way will not come any more.
  void write_off();
  /// Open loop: its next message is due then.
  void add_due(base::Time due, base::Time now);
  /// Of those that were due.
  std::uint64_t unsent() const { return due_.size(); }
  /// Closed loop at QoS 0: one of its receivers has come from here to there.
  void on_seen(std::uint64_t before, std::uint64_t after) {
    if (before < mark_ && after >= mark_ && --behind_ == 0) refill();
  }

 private:
  void on_connected(const mqtt::Connack& connack) override;
  void on_published(std::uint16_t id, mqtt::ReasonCode code) override;
  void on_room() override;

  bool send(base::Time stamped);
  void send_due(base::Time now);

  Lane& lane_;
  const std::uint32_t number_;
  const std::uint32_t copies_;  // of each message
  Window window_;
  std::string topic_;
  std::vector<std::uint8_t> payload_;
  std::uint64_t mark_ = 0;    // where every receiver has to be for a refill
  std::uint32_t behind_ = 0;  // receivers that are not there
  DueQueue due_;
};

/// A subscriber of a lane.
class Receiver final : public Peer {
 public:
  Receiver(Lane& lane, Roll& roll, const client::Options& options, std::uint32_t number);

  /// What it asks for.
  std::vector<std::string> filters() const;
  const StreamCheck& stream(std::uint32_t place) const { return streams_[place]; }

 private:
  void on_message(const mqtt::Publish& message) override;
  bool in_order(StreamCheck::Seen seen, std::uint32_t place, std::uint64_t sequence);

  Lane& lane_;
  const std::uint32_t number_;
  std::vector<StreamCheck> streams_;      // by publisher, unless the group has them
  std::vector<std::uint64_t> last_seen_;  // by publisher, of a shared group's member
};

/// The load on one broker: its publishers and subscribers, and what is known of the messages between them.
class Lane {
 public:
  Lane(Stage& stage, const TrafficOptions& options, const Broker& broker, std::uint32_t number, Tally& tally,
       Roll& roll);
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  Stage& stage() { return stage_; }
  const TrafficOptions& options() const { return options_; }
  const Broker& broker() const { return broker_; }
  Tally& tally() { return tally_; }
  std::uint32_t run() const { return run_; }
  const std::string& root() const { return root_; }
  const FilterCells& cells() const { return cells_; }
  StreamCheck& group(std::uint32_t publisher) { return group_[publisher]; }
  std::vector<std::unique_ptr<Sender>>& senders() { return senders_; }
  std::vector<std::unique_ptr<Receiver>>& receivers() { return receivers_; }

  /// How far the slowest receiver of a publisher is, and how many are not at `mark` yet.
  struct Front {
    std::uint64_t slowest;
    std::uint32_t behind;
  };
  Front front(std::uint32_t publisher, std::uint64_t mark) const;
  /// How far one is, for a window.
  std::uint64_t progress(const StreamCheck& check) const {
    return options_.mapping.one_of_all() ? check.distinct() : check.highest();
  }
  /// What did not arrive of what was sent.
  std::uint64_t lost() const;

 private:
  template <class Visit>
  void each_check(std::uint32_t publisher, Visit visit) const;

  Stage& stage_;
  const TrafficOptions& options_;
  const Broker& broker_;
  Tally& tally_;
  const std::uint32_t run_;
  const std::string root_;
  const FilterCells cells_;
  std::vector<StreamCheck> group_;  // by publisher, where a message goes to one of all
  std::vector<std::unique_ptr<Sender>> senders_;
  std::vector<std::unique_ptr<Receiver>> receivers_;
};

}  // namespace shoal::bench
