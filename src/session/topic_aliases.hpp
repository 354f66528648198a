#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::session {

/// The topic aliases a client has set on its connection (3.3.2.3.4). They end with the connection.
class TopicAliases {
 public:
  explicit TopicAliases(std::uint16_t maximum) : maximum_(maximum) {}

  bool valid(std::uint16_t alias) const { return alias != 0 && alias <= maximum_; }
  /// `alias` is valid, `topic` is not empty.
  void set(std::uint16_t alias, std::string_view topic) {
    if (topics_.size() < alias) topics_.resize(alias);
    topics_[alias - 1] = topic;
  }
  /// Empty when it was not set.
  std::string_view find(std::uint16_t alias) const {
    return alias <= topics_.size() ? std::string_view(topics_[alias - 1]) : std::string_view();
  }

 private:
  std::uint16_t maximum_;
  std::vector<std::string> topics_;
};

}  // namespace shoal::session
