#pragma once

#include <array>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/shard.hpp"
#include "conversation/peer.hpp"
#include "conversation/published.hpp"
#include "conversation/session_model.hpp"
#include "store/memory_store.hpp"

namespace shoal::fuzz {

/// Decides about credentials as it is told.
class Authority final : public broker::Authority {
 public:
  auth::Verdict check(std::optional<std::string_view>, std::optional<std::string_view>) override {
    return {decision, "told so"};
  }
  bool verify(std::uint64_t client, std::string_view, std::string_view) override {
    if (takes_more) verifying.push_back(client);
    return takes_more;
  }

  auth::Decision decision = auth::Decision::accepted;
  bool takes_more = true;
  std::vector<std::uint64_t> verifying;  ///< clients whose password is being verified
};

/// A shard whose clock is moved by hand, places for connections to it, and what has to hold for all of
/// them together.
class Bed {
 public:
  static constexpr std::size_t kPeers = 4;
  /// The largest message: the host's are not bound by the packet limit.
  static constexpr std::size_t kMessageSizeMax = 22'000;

  /// `stored`: with a store, which at the end has to have what there is.
  Bed(BrokerOptions options, bool stored);
  Bed(const Bed&) = delete;
  Bed& operator=(const Bed&) = delete;

  /// A new connection; who was there before breaks.
  Peer& open(std::size_t place);
  Peer* peer(std::size_t place) { return peers_[place].get(); }
  /// A client without a name before 5.0 has one all the same.
  std::string unnamed() { return "unnamed " + std::to_string(++unnamed_); }

  /// A line of the conversation, printed when FUZZ_TRACE is in the environment.
  void trace(const Peer* peer, const char* direction, const mqtt::Frame& frame, mqtt::Version version) const;

  /// Ends the turn and checks everything.
  void turn();
  /// Lets time pass, stopping at every deadline on the way.
  void advance(base::Duration time);
  /// Answers the oldest verification, when there is one.
  void verified(bool accepted);
  /// The host publishes, subscribes.
  void publish(const Message& message);
  void subscribe(std::string_view filter, Qos qos, bool answers);
  /// Every connection breaks and the broker is killed; another one goes on with what survived. Without a store only
  /// the connections break.
  void restart();
  /// Everything ends, at once or politely; then nothing may be left.
  void finish(bool politely);

  // For peers.
  broker::Shard& shard() { return *shard_; }
  bool stored() const { return stored_; }
  base::Time now() const { return now_; }
  const Limits& limits() const { return options_.limits; }
  bool timer_armed() const { return timers_.next() != base::kNever; }
  Published& published() { return published_; }
  Authority& authority() { return authority_; }
  /// Every peer looks at what was written to it.
  void look();
  /// The session that a client gets now. Nobody else is connected to it any more.
  SessionModel& take_over(const std::string& client_id, bool clean, bool& present);
  void forget(const std::string& client_id) { sessions_.erase(client_id); }

 private:
  void drop_all();
  void start();
  void check_store();
  void check_all();
  base::Time due() const;

  const BrokerOptions options_;
  const bool stored_;
  base::Time now_{base::seconds(1'000'000)};
  io::TimerQueue timers_;
  base::ChunkPool chunks_;
  base::Log log_;
  broker::EdgeCounters edge_;
  Authority authority_;
  Published published_;
  std::map<std::string, SessionModel> sessions_;
  store::MemoryStore::Disk disk_;
  store::MemoryStore* store_ = nullptr;  // the shard's
  std::unique_ptr<broker::Shard> shard_;
  std::array<std::unique_ptr<Peer>, kPeers> peers_;  // before the shard goes
  std::uint64_t empty_bytes_ = 0;                    // of subscriptions, when there are none
  std::size_t host_filters_ = 0;
  std::size_t unnamed_ = 0;
  bool turn_wanted_ = false;
  const bool traced_ = std::getenv("FUZZ_TRACE") != nullptr;
};

}  // namespace shoal::fuzz
