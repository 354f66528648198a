#pragma once

#include <map>
#include <vector>

#include "client.hpp"
#include "ledger.hpp"

namespace shoal::crash {

/// Publishes to topics of its own while the world is not calm.
class Publisher : public Client {
 public:
  /// `root`/…: four topics at QoS 1 and 2.
  Publisher(World& world, ClientOptions options, const std::string& root, bool exactly_once = true);

  void act() override;
  /// Begins a round: how many messages, and how many of them at a time.
  void begin_round();

 protected:
  void on_acknowledged(const Flight& flight) override;

 private:
  std::vector<Topic*> topics_;
  std::uint64_t left_ = 0;
  std::size_t window_ = 1;
  unsigned large_percent_ = 0;
};

struct Habits {
  bool comes_and_goes = false;
  bool slow = false;              ///< to acknowledge
  std::uint16_t receive_max = 0;  ///< 1 to this; 0: not said
};

/// Subscribes once and for all, then checks that everything comes, in order, and at QoS 2 once.
class Subscriber : public Client {
 public:
  struct Subscription {
    std::string filter;
    std::uint8_t qos = 1;
    std::uint32_t identifier = 0;
  };

  Subscriber(World& world, ClientOptions options, std::vector<Subscription> subscriptions, Habits habits);

  void act() override;
  bool subscribed() const { return confirmed_ == subscriptions_.size(); }
  /// Has everything.
  virtual bool complete() const;
  /// The first thing it does not have.
  virtual std::string missing() const;

 protected:
  void on_opening() override;
  void on_online(bool present) override;
  void on_suback(std::uint16_t id, base::Bytes codes) override;
  void on_message(const mqtt::Publish& message) override;
  /// The topic of a message that came as it must.
  const Topic& check_message(const mqtt::Publish& message, std::uint8_t& qos);
  const std::vector<Subscription>& subscriptions() const { return subscriptions_; }

 private:
  void check_identifiers(const mqtt::Publish& message) const;

  std::vector<Subscription> subscriptions_;
  Habits habits_;
  std::size_t confirmed_ = 0;
  std::map<const Topic*, std::uint64_t> next_;
};

/// What the members of a shared subscription got.
struct SharedReceived {
  struct OfTopic {
    std::vector<bool> has;
    std::uint64_t first_missing = 0;
  };
  std::map<const Topic*, OfTopic> topics;
};

/// One of them.
class Member : public Subscriber {
 public:
  Member(World& world, ClientOptions options, const std::string& filter, SharedReceived& received);

  bool complete() const override { return missing().empty(); }
  std::string missing() const override;

 protected:
  void on_message(const mqtt::Publish& message) override;

 private:
  std::string shared_filter_;
  SharedReceived& received_;
};

}  // namespace shoal::crash
