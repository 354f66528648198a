#pragma once

#include <map>

#include "client.hpp"

namespace shoal::crash {

/// What has to become of the wills, one for every connection.
struct WillBook {
  struct Life {
    unsigned round = 0;
    bool must = false;   ///< come, until then
    bool never = false;  ///< come
    bool came = false;
    Clock::time_point until{};
  };
  std::map<std::string, Life> lives;  ///< by payload

  bool complete() const { return missing().empty(); }
  std::string missing() const;
};

/// Persistent, and there all the time.
class WillWatcher : public Client {
 public:
  WillWatcher(World& world, ClientOptions options, WillBook& book) : Client(world, std::move(options)), book_(book) {}

  void act() override;
  bool subscribed() const { return subscribed_; }

 protected:
  void on_online(bool present) override;
  void on_suback(std::uint16_t, base::Bytes) override { subscribed_ = true; }
  void on_message(const mqtt::Publish& message) override;

 private:
  WillBook& book_;
  bool subscribed_ = false;
};

/// Connects with a will, and loses its connection or says DISCONNECT.
class WillOwner : public Client {
 public:
  WillOwner(World& world, ClientOptions options, WillBook& book, std::uint32_t delay_s)
      : Client(world, std::move(options)), book_(book), delay_s_(delay_s) {}

  void act() override;

 protected:
  void on_opening() override;
  void on_offline(bool online, bool killed) override;

 private:
  WillBook::Life& life() { return book_.lives.at(will_->payload); }

  WillBook& book_;
  std::uint32_t delay_s_;
  std::uint64_t number_ = 0;
  bool said_goodbye_ = false;
  bool stays_away_ = false;  // until its will has come
  // The server has closed after DISCONNECT; that survives when something that was sent later is acknowledged before
  // the next kill.
  bool closed_ = false;
  Clock::time_point closed_at_{};
  std::uint64_t closed_kills_ = 0;
};

}  // namespace shoal::crash
