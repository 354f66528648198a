#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "store/image.hpp"

namespace shoal::fuzz {

/// What a program has told a store, as plain maps: what has to come out of it again.
struct Kept {
  struct Flight {
    std::uint32_t order = 0;
    std::uint64_t message = 0;  // 0: released
  };
  struct Session {
    std::string client_id;
    std::uint32_t expiry_s = 0;
    std::uint64_t will = 0;
    std::map<std::string, std::uint8_t> subscriptions;
    std::map<std::uint32_t, std::uint64_t> queue;
    std::map<std::uint16_t, Flight> flights;
    std::set<std::uint16_t> taken;
    std::uint32_t sequence = 0;
    std::uint32_t order = 0;
    std::uint16_t id = 0;
  };
  struct Group {
    std::string filter;
    std::map<std::uint32_t, std::uint64_t> queue;
    std::uint32_t sequence = 0;
  };
  struct Message {
    std::string topic;
    std::string payload;

    bool operator==(const Message&) const = default;
  };

  std::map<std::uint64_t, Session> sessions;
  std::map<std::uint32_t, Group> groups;
  std::map<std::string, std::uint64_t> retained;
  const std::map<std::uint64_t, Message>* messages = nullptr;  // all that ever were

  /// A line for each thing.
  std::string text() const;
  /// Tells all of it to a store once more.
  void tell(store::RecordWriter& writer) const;
};

/// The same of what was read. Ends the process when messages are referred to that are not there, or things are not in
/// order.
std::string text(const store::Image& image);

}  // namespace shoal::fuzz
