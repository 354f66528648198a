#include "ledger.hpp"

#include <charconv>

#include "mqtt/topic_name.hpp"

namespace shoal::crash {

std::string Topic::describe(std::uint64_t sequence) const {
  std::string text = name + " #" + std::to_string(sequence) + " (QoS " + std::to_string(qos);
  if (sequence < sent.size()) {
    text += ", sent in round " + std::to_string(sent[sequence].round) +
            (sent[sequence].acknowledged ? ", acknowledged" : ", not acknowledged");
  }
  return text + ")";
}

Topic& Ledger::topic(const std::string& name, std::uint8_t qos) {
  topics_.push_back({.name = name, .qos = qos, .sent = {}});
  by_name_[name] = &topics_.back();
  return topics_.back();
}

const Topic* Ledger::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

std::vector<const Topic*> Ledger::matching(std::string_view filter) const {
  std::vector<const Topic*> found;
  for (const Topic& topic : topics_) {
    if (mqtt::matches(filter, topic.name)) found.push_back(&topic);
  }
  return found;
}

std::string make_payload(std::uint64_t sequence, std::size_t padding) {
  return std::to_string(sequence) + '|' + std::string(padding, '.');
}

std::uint64_t sequence_of(std::string_view payload) {
  std::uint64_t sequence = UINT64_MAX;
  std::from_chars(payload.data(), payload.data() + payload.size(), sequence);
  return sequence;
}

}  // namespace shoal::crash
