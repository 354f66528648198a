#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "client.hpp"
#include "ledger.hpp"
#include "random.hpp"
#include "server.hpp"

namespace shoal::crash {

/// What must hold does not.
class Failure : public std::runtime_error {
  using runtime_error::runtime_error;
};

/// What all clients share: the server, the loop, chance, and what was sent and received.
class World {
 public:
  World(std::uint64_t seed, Serving serving, bool verbose);

  Server& server() { return server_; }
  Ledger& ledger() { return ledger_; }
  Random& random() { return random_; }

  /// Nobody begins anything; what is under way goes on.
  bool calm() const { return calm_; }
  void set_calm(bool calm) { calm_ = calm; }
  /// Besides, all subscribers are to come and take what there is.
  bool draining() const { return draining_; }
  void set_draining(bool draining) { draining_ = draining; }

  template <class Kind, class... Args>
  Kind& add(Args&&... args) {
    auto made = std::make_unique<Kind>(*this, std::forward<Args>(args)...);
    Kind& kind = *made;
    clients_.push_back(std::move(made));
    return kind;
  }
  void remove(Client& client);
  const std::vector<std::unique_ptr<Client>>& clients() const { return clients_; }

  /// One turn of the loop, which waits for events up to `wait`.
  void turn(milliseconds wait);
  void run_for(milliseconds length);
  /// The same, but the server is struck as soon as such a packet comes: what it tells of must be safe already.
  void run_for(milliseconds length, mqtt::PacketType strike_at);
  void came(mqtt::PacketType type);
  /// Until it is `true`; a failure with `what` when that takes too long.
  void run_until(const std::function<bool()>& done, const std::string& what);
  /// SIGKILL, and what the server had sent is taken.
  void kill();

  /// Something that was sent then is committed now, and so is what the server did before.
  void acknowledged(Clock::time_point sent);
  Clock::time_point committed() const { return committed_; }
  /// When the last acknowledgement came.
  Clock::time_point last_acknowledgement() const { return last_acknowledgement_; }

  void say(const std::string& what) const;
  [[noreturn]] void fail(const std::string& what) const;
  unsigned round = 0;
  std::uint64_t kills = 0;
  Clock::time_point killed_at() const { return killed_at_; }

 private:
  bool verbose_;
  std::optional<mqtt::PacketType> strike_at_;
  Random random_;
  Server server_;
  Ledger ledger_;
  std::vector<std::unique_ptr<Client>> clients_;
  bool calm_ = false;
  bool draining_ = false;
  Clock::time_point committed_{};
  Clock::time_point last_acknowledgement_{};
  Clock::time_point killed_at_{};
};

}  // namespace shoal::crash
