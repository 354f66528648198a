#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::session {

/// The topic aliases a client has set on its connection (3.3.2.3.4). They end with the connection.
class TopicAliases {
 public:
  explicit TopicAliases(std::uint16_t maximum) : maximum_(maximum) {}

  bool valid(std::uint16_t alias) const { return alias != 0 && alias <= maximum_; }
  /// `alias` is valid, `topic` is not empty. Returns by how many bytes what is kept has grown.
  std::ptrdiff_t set(std::uint16_t alias, std::string_view topic) {
    if (topics_.size() < alias) topics_.resize(alias);
    std::string& kept = topics_[alias - 1];
    const auto before = static_cast<std::ptrdiff_t>(kept.size());
    kept = topic;
    return static_cast<std::ptrdiff_t>(topic.size()) - before;
  }
  /// Empty when it was not set.
  std::string_view find(std::uint16_t alias) const {
    return alias <= topics_.size() ? std::string_view(topics_[alias - 1]) : std::string_view();
  }
  std::size_t bytes() const {
    std::size_t bytes = 0;
    for (const std::string& topic : topics_) bytes += topic.size();
    return bytes;
  }

 private:
  std::uint16_t maximum_;
  std::vector<std::string> topics_;
};

/// The aliases the server uses towards a client that allows them. A topic has one place, by its hash; a
/// newer topic takes the place over, so that what is sent often keeps its alias.
class SentAliases {
 public:
  /// Longer topics get none, to bound what a connection keeps.
  static constexpr std::size_t kTopicBytesMax = 256;

  /// `maximum`: the client's topic alias maximum, not 0 (MQTT-3.1.2-26, MQTT-3.1.2-27).
  explicit SentAliases(std::uint16_t maximum) : topics_(maximum) {}

  struct Alias {
    std::uint16_t number = 0;  ///< 0: none for this topic
    bool known = false;        ///< the client knows it: the topic may be left out
  };
  Alias find(std::string_view topic) const {
    if (topic.size() > kTopicBytesMax) return {};
    const std::size_t place = std::hash<std::string_view>{}(topic) % topics_.size();
    return {static_cast<std::uint16_t>(place + 1), topics_[place] == topic};
  }
  /// The client was told.
  void set(std::uint16_t number, std::string_view topic) { topics_[number - 1u] = topic; }

 private:
  std::vector<std::string> topics_;
};

}  // namespace shoal::session
