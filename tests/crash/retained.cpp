#include "retained.hpp"

#include <algorithm>

#include "world.hpp"

namespace shoal::crash {

void RetainedUpdater::act() {
  Random& random = world_.random();
  if (!online() || world_.calm() || flights().size() >= 5 || !random.chance(30)) return;
  const std::size_t index = random.below(kTopics);
  std::vector<Update>& updates = states_[index].updates;
  const std::uint64_t sequence = updates.size();
  updates.push_back({.clears = random.chance(20)});
  publish(topic(index), updates.back().clears ? "" : make_payload(sequence, random.below(40)), 1, true, sequence);
}

void RetainedUpdater::on_acknowledged(const Flight& flight) {
  for (std::size_t i = 0; i < kTopics; ++i) {
    if (flight.topic != topic(i)) continue;
    states_[i].updates[flight.sequence].acknowledged = true;
    states_[i].settled = std::max(states_[i].settled, flight.sequence);
  }
}

void RetainedCheck::on_online(bool) {
  before_ = updater_.states();
  subscribe({{"r/#", 1}});
}

void RetainedCheck::on_message(const mqtt::Publish& message) {
  if (!message.retain) return;  // an update that comes while this one looks
  if (!found_.emplace(message.topic, sequence_of(base::as_text(message.payload))).second) {
    fail("retained message of " + std::string(message.topic) + " twice");
  }
}

void RetainedCheck::on_pingresp() {
  for (std::size_t i = 0; i < RetainedUpdater::kTopics; ++i) {
    const std::string topic = RetainedUpdater::topic(i);
    const auto& updates = updater_.states()[i].updates;
    const std::uint64_t settled = before_[i].settled;
    const bool any = settled < updates.size() && updates[settled].acknowledged;
    const auto found = found_.find(topic);
    ++world_.ledger().checks;
    if (found != found_.end()) {
      const std::uint64_t value = found->second;
      if (value < settled || value >= updates.size() || updates[value].clears) {
        fail(topic + " has #" + std::to_string(value) + ", but #" + std::to_string(settled) +
             (updates[settled].clears ? " (nothing)" : "") + " was acknowledged");
      }
      continue;
    }
    const auto clears = [](const RetainedUpdater::Update& update) { return update.clears; };
    const auto from = updates.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(settled, updates.size()));
    if (any && std::none_of(from, updates.end(), clears)) {
      fail("missing: the retained message of " + topic + ", which was #" + std::to_string(settled) + " or later");
    }
  }
  done_ = true;
}

}  // namespace shoal::crash
