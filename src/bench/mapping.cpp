#include "bench/mapping.hpp"

namespace shoal::bench {
namespace {

/// How many of 0 to `count` - 1 are `rest` modulo `divisor`.
std::uint32_t congruent(std::uint32_t count, std::uint32_t divisor, std::uint32_t rest) {
  return rest < count ? (count - rest - 1) / divisor + 1 : 0;
}

}  // namespace

std::uint32_t Mapping::copies(std::uint32_t publisher) const {
  if (one_of_all()) return 1;
  return kind == Kind::pairs ? congruent(subscribers, topics(), publisher % topics()) : subscribers;
}

std::string Mapping::topic(std::string_view root, std::uint32_t publisher) const {
  const std::uint32_t number = kind == Kind::pairs ? publisher % topics() : kind == Kind::fanout ? 0 : publisher;
  return std::string(root) + '/' + std::to_string(number);
}

std::string Mapping::filter(std::string_view root, std::uint32_t subscriber) const {
  switch (kind) {
    case Kind::pairs: return topic(root, subscriber % topics());
    case Kind::fanout: return topic(root, 0);
    case Kind::shared: return "$share/bench/" + std::string(root) + "/#";
    default: return std::string(root) + "/#";
  }
}

std::uint32_t Mapping::heard(std::uint32_t subscriber) const {
  return kind == Kind::pairs ? congruent(publishers, topics(), subscriber % topics()) : publishers;
}

std::optional<std::uint32_t> Mapping::place(std::uint32_t publisher, std::uint32_t subscriber) const {
  if (publisher >= publishers) return {};
  if (kind != Kind::pairs) return publisher;
  if (publisher % topics() != subscriber % topics()) return {};
  return publisher / topics();
}

std::string_view to_string(Mapping::Kind kind) {
  switch (kind) {
    case Mapping::Kind::pairs: return "pairs";
    case Mapping::Kind::fanin: return "fanin";
    case Mapping::Kind::fanout: return "fanout";
    case Mapping::Kind::shared: return "shared";
    case Mapping::Kind::cells: return "cells";
  }
  return "";
}

}  // namespace shoal::bench
