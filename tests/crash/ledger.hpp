#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::crash {

/// Everything that one publisher sent to one topic: 0, 1, 2, … in this order.
struct Topic {
  struct Sent {
    unsigned round = 0;
    bool acknowledged = false;
  };

  std::string name;
  std::uint8_t qos = 1;
  std::vector<Sent> sent;

  std::string describe(std::uint64_t sequence) const;
};

/// What was sent and what has come.
class Ledger {
 public:
  Topic& topic(const std::string& name, std::uint8_t qos);
  const Topic* find(std::string_view name) const;
  std::vector<const Topic*> matching(std::string_view filter) const;

  std::uint64_t published = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t received = 0;
  std::uint64_t again = 0;   ///< of these, QoS 1 messages that came more than once
  std::uint64_t checks = 0;  ///< retained values, subscriptions, sessions and wills that were looked at

 private:
  std::deque<Topic> topics_;
  std::map<std::string, Topic*, std::less<>> by_name_;
};

/// A payload that tells which message of its topic it is, and is long now and then.
std::string make_payload(std::uint64_t sequence, std::size_t padding);
std::uint64_t sequence_of(std::string_view payload);

}  // namespace shoal::crash
