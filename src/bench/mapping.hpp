#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shoal::bench {

/// Who publishes to whom. A value; numbers are from 0.
struct Mapping {
  enum class Kind {
    pairs,   ///< publisher i to subscriber i, modulo the smaller number
    fanin,   ///< all publishers, each with a topic of its own, to every subscriber by `#`
    fanout,  ///< all publishers to every subscriber, one topic
    shared,  ///< all publishers to one group of subscribers (`$share`)
    cells,   ///< subscribers share many filters; every message matches one of them
  };

  Kind kind = Kind::pairs;
  std::uint32_t publishers = 1;
  std::uint32_t subscribers = 1;

  /// A message goes to one subscriber of several, chosen by the broker or by its topic.
  bool one_of_all() const { return kind == Kind::shared || kind == Kind::cells; }
  /// How many copies of each message of a publisher are delivered.
  std::uint32_t copies(std::uint32_t publisher) const;
  /// Not for `cells`. `root`: the topic that all of this are below.
  std::string topic(std::string_view root, std::uint32_t publisher) const;
  std::string filter(std::string_view root, std::uint32_t subscriber) const;
  /// How many publishers a subscriber hears, and which place this one has among them; nothing when it must not hear it.
  std::uint32_t heard(std::uint32_t subscriber) const;
  std::optional<std::uint32_t> place(std::uint32_t publisher, std::uint32_t subscriber) const;

 private:
  std::uint32_t topics() const { return publishers < subscribers ? publishers : subscribers; }
};

/// `pairs`, `fanin`, `fanout`, `shared`, `cells`.
std::string_view to_string(Mapping::Kind kind);

}  // namespace shoal::bench
