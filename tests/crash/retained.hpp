#pragma once

#include <array>
#include <map>

#include "client.hpp"

namespace shoal::crash {

/// Updates retained topics, each with 0, 1, 2, … and now and then with nothing.
class RetainedUpdater : public Client {
 public:
  static constexpr std::size_t kTopics = 4;
  struct Update {
    bool clears = false;
    bool acknowledged = false;
  };
  struct State {
    std::vector<Update> updates;
    std::uint64_t settled = 0;  ///< this update or a later one must be there; with none acknowledged, none may too
  };

  using Client::Client;
  void act() override;
  static std::string topic(std::size_t index) { return "r/" + std::to_string(index); }
  const std::array<State, kTopics>& states() const { return states_; }

 protected:
  void on_acknowledged(const Flight& flight) override;

 private:
  std::array<State, kTopics> states_;
};

/// A new client that looks at what is retained, once.
class RetainedCheck : public Client {
 public:
  RetainedCheck(World& world, ClientOptions options, const RetainedUpdater& updater)
      : Client(world, std::move(options)), updater_(updater) {}

  void act() override { send_acks(); }
  bool done() const { return done_; }
  void leave() { hang_up(); }

 protected:
  void on_online(bool present) override;
  void on_suback(std::uint16_t, base::Bytes) override { ping(); }
  void on_message(const mqtt::Publish& message) override;
  void on_pingresp() override;

 private:
  const RetainedUpdater& updater_;
  std::array<RetainedUpdater::State, RetainedUpdater::kTopics> before_;
  std::map<std::string, std::uint64_t> found_;
  bool done_ = false;
};

}  // namespace shoal::crash
