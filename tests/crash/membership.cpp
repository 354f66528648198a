#include "membership.hpp"

#include "world.hpp"

namespace shoal::crash {

std::string Fickle::filter(std::size_t index) const {
  const std::string level = "f/" + id() + "/" + std::to_string(index);
  return level + (index % 3 == 0 ? "/x" : index % 3 == 1 ? "/+" : "/#");
}

void Fickle::act() {
  send_acks();
  Random& random = world_.random();
  if (world_.calm()) {
    wanted_ = true;
    return;
  }
  if (ready() && random.chance(20)) toggle();
  if (random.permille(wanted_ ? 10 : 100)) {
    if (!wanted_) wanted_ = true;
    else if (random.chance(50)) hang_up();
    else say_goodbye();
  }
}

void Fickle::toggle() {
  Random& random = world_.random();
  Asked asked{.filters = {}, .then = random.chance(50) ? State::on : State::off};
  std::vector<FilterWanted> wanted;
  std::vector<std::string> unwanted;
  for (std::size_t i = 0; i < kFilters; ++i) {
    if (!random.chance(30)) continue;
    asked.filters.push_back(i);
    wanted.push_back({filter(i), 1});
    unwanted.push_back(filter(i));
    if (states_[i] != asked.then) states_[i] = State::in_doubt;
  }
  if (wanted.empty()) return;
  const std::uint16_t packet = asked.then == State::on ? subscribe(wanted) : unsubscribe(unwanted);
  asked_for_[packet] = std::move(asked);
}

void Fickle::settle(std::uint16_t id) {
  const Asked& asked = asked_for_.at(id);
  if (asked.marker) marked_ = true;
  for (const std::size_t index : asked.filters) states_[index] = asked.then;
  asked_for_.erase(id);
}

// Until CONNACK comes it may be the new session or the old one. Before 5.0 a clean session is not kept.
void Fickle::on_opening() {
  options_.clean = v5() && marked_ && !world_.calm() && world_.random().chance(15);
  if (!options_.clean) return;
  marked_ = false;
  for (State& state : states_) {
    if (state == State::on) state = State::in_doubt;
  }
}

void Fickle::on_online(bool) {
  if (options_.clean) states_ = {};
  if (marked_) return;
  asked_for_[subscribe({{marker(), 1}})] = {.filters = {}, .marker = true};
}

void Fickle::on_offline(bool, bool) { asked_for_.clear(); }

void Fickle::begin_probe(std::uint64_t number) {
  probe_ = number;
  came_ = {};
  marker_came_ = false;
}

void Fickle::on_message(const mqtt::Publish& message) {
  if (sequence_of(base::as_text(message.payload)) != probe_) return;
  if (message.topic == marker()) marker_came_ = true;
  for (std::size_t i = 0; i < kFilters; ++i) {
    if (message.topic == topic(i)) came_[i] = true;
  }
}

void Fickle::judge() {
  for (std::size_t i = 0; i < kFilters; ++i) {
    ++world_.ledger().checks;
    if (states_[i] == State::on && !came_[i]) fail("missing: its acknowledged subscription to " + filter(i));
    if (states_[i] == State::off && came_[i])
      fail("acknowledged that it is not subscribed, and still is: " + filter(i));
    states_[i] = came_[i] ? State::on : State::off;
  }
}

void Prober::probe(Fickle& fickle) {
  fickle.begin_probe(++number_);
  for (std::size_t i = 0; i < Fickle::kFilters; ++i) {
    publish(fickle.topic(i), make_payload(number_, 0), 1, false, number_);
  }
  publish(fickle.marker(), make_payload(number_, 0), 1, false, number_);
}

}  // namespace shoal::crash
