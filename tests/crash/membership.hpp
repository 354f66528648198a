#pragma once

#include <array>
#include <map>

#include "client.hpp"

namespace shoal::crash {

/// Subscribes and unsubscribes, and now and then begins a new session. What it is subscribed to is probed.
class Fickle : public Client {
 public:
  static constexpr std::size_t kFilters = 6;

  explicit Fickle(World& world, ClientOptions options) : Client(world, std::move(options)) {}

  void act() override;
  bool ready() const { return online() && idle() && marked_; }
  std::string topic(std::size_t index) const { return "f/" + id() + "/" + std::to_string(index) + "/x"; }
  std::string marker() const { return "f/" + id() + "/marker"; }
  void begin_probe(std::uint64_t number);
  bool probed() const { return marker_came_ && acks_due() == 0; }
  /// All that was acknowledged must work, or must not.
  void judge();

 protected:
  void on_opening() override;
  void on_online(bool present) override;
  void on_offline(bool online, bool killed) override;
  void on_suback(std::uint16_t id, base::Bytes) override { settle(id); }
  void on_unsuback(std::uint16_t id) override { settle(id); }
  void on_message(const mqtt::Publish& message) override;

 private:
  enum class State { off, on, in_doubt };
  struct Asked {
    std::vector<std::size_t> filters;
    State then = State::off;
    bool marker = false;
  };

  std::string filter(std::size_t index) const;
  void settle(std::uint16_t id);
  void toggle();

  std::array<State, kFilters> states_{};
  std::map<std::uint16_t, Asked> asked_for_;
  bool marked_ = false;  // subscribed to the marker
  std::uint64_t probe_ = 0;
  std::array<bool, kFilters> came_{};
  bool marker_came_ = false;
};

/// Publishes to all a Fickle may be subscribed to, and the marker at last.
class Prober : public Client {
 public:
  using Client::Client;
  void probe(Fickle& fickle);

 private:
  std::uint64_t number_ = 0;
};

}  // namespace shoal::crash
