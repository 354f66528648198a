#include "bench/lane.hpp"

#include <algorithm>

#include "bench/scatter.hpp"

namespace shoal::bench {
namespace {

client::Options sender_options(const Stage& stage, const TrafficOptions& options) {
  client::Options result = stage.settings().connection;
  // An open loop is bound by what the broker says, not by us.
  result.inflight_max = options.rate > 0 ? client::Options::kInflightMax : static_cast<std::uint16_t>(options.window);
  return result;
}

}  // namespace

Lane::Lane(Stage& stage, const TrafficOptions& options, const Broker& broker, std::uint32_t number, Tally& tally,
           Roll& roll)
    : stage_(stage),
      options_(options),
      broker_(broker),
      tally_(tally),
      run_(stage.run() + number),
      root_(stage.root()),
      cells_(root_, options.cells, options.mix) {
  const Mapping& mapping = options.mapping;
  if (mapping.one_of_all()) group_.resize(mapping.publishers);
  for (std::uint32_t i = 0; i < mapping.subscribers; ++i) {
    receivers_.push_back(std::make_unique<Receiver>(*this, roll, stage.settings().connection, i));
  }
  const client::Options sending = sender_options(stage, options);
  for (std::uint32_t i = 0; i < mapping.publishers; ++i) {
    senders_.push_back(std::make_unique<Sender>(*this, roll, sending, i));
  }
}

template <class Visit>
void Lane::each_check(std::uint32_t publisher, Visit visit) const {
  const Mapping& mapping = options_.mapping;
  if (mapping.one_of_all()) return visit(group_[publisher]);
  // With pairs a publisher's subscribers are equally far apart.
  const bool pairs = mapping.kind == Mapping::Kind::pairs;
  const std::uint32_t step = pairs ? std::min(mapping.publishers, mapping.subscribers) : 1;
  for (std::uint32_t i = pairs ? publisher % step : 0; i < mapping.subscribers; i += step) {
    visit(receivers_[i]->stream(*mapping.place(publisher, i)));
  }
}

Lane::Front Lane::front(std::uint32_t publisher, std::uint64_t mark) const {
  Front front{UINT64_MAX, 0};
  each_check(publisher, [&](const StreamCheck& check) {
    const std::uint64_t at = progress(check);
    front.slowest = std::min(front.slowest, at);
    front.behind += at < mark;
  });
  return front;
}

std::uint64_t Lane::lost() const {
  std::uint64_t count = 0;
  for (std::uint32_t i = 0; i < senders_.size(); ++i) {
    each_check(i, [&](const StreamCheck& check) { count += check.missing(senders_[i]->sent()); });
  }
  return count;
}

Receiver::Receiver(Lane& lane, Roll& roll, const client::Options& options, std::uint32_t number)
    : Peer(lane.stage(), roll, options), lane_(lane), number_(number) {
  const Mapping& mapping = lane.options().mapping;
  if (!mapping.one_of_all()) streams_.resize(mapping.heard(number));
  if (mapping.kind == Mapping::Kind::shared) last_seen_.resize(mapping.publishers);
}

std::vector<std::string> Receiver::filters() const {
  const Mapping& mapping = lane_.options().mapping;
  if (mapping.kind != Mapping::Kind::cells) return {mapping.filter(lane_.root(), number_)};
  std::vector<std::string> filters;
  for (std::uint32_t cell = number_; cell < lane_.cells().count(); cell += mapping.subscribers) {
    filters.push_back(lane_.cells().filter(cell));
  }
  return filters;
}

/// MQTT orders what one publisher sends to one topic.
bool Receiver::in_order(StreamCheck::Seen seen, std::uint32_t place, std::uint64_t sequence) {
  switch (lane_.options().mapping.kind) {
    case Mapping::Kind::cells: return true;
    case Mapping::Kind::shared: {
      // Gaps are what the others of the group have.
      const bool in_order = sequence > last_seen_[place];
      if (in_order) last_seen_[place] = sequence;
      return in_order;
    }
    default: return seen != StreamCheck::Seen::late;
  }
}

void Receiver::on_message(const mqtt::Publish& message) {
  Tally& tally = lane_.tally();
  const Mapping& mapping = lane_.options().mapping;
  const auto stamp = Stamp::read(message.payload);
  if (!stamp || message.payload.size() != lane_.options().payload_bytes) {
    ++tally.faults.damaged;
    return;
  }
  const auto place = mapping.place(stamp->publisher, number_);
  bool mine = stamp->run == lane_.run() && place;
  if (mine && mapping.kind == Mapping::Kind::cells) {
    const auto cell = FilterCells::cell(message.topic);
    mine = cell && *cell % mapping.subscribers == number_;
  } else if (mine) {
    mine = message.topic == lane_.senders()[stamp->publisher]->topic();
  }
  if (!mine) {
    ++tally.faults.misdelivered;
    return;
  }
  Sender& sender = *lane_.senders()[stamp->publisher];
  if (stamp->sequence > sender.sent()) {
    ++tally.faults.damaged;
    return;
  }
  StreamCheck& check = mapping.one_of_all() ? lane_.group(stamp->publisher) : streams_[*place];
  const std::uint64_t before = lane_.progress(check);
  const StreamCheck::Seen seen = check.see(stamp->sequence);
  if (seen == StreamCheck::Seen::duplicate) {
    ++tally.faults.duplicates;
    return;
  }
  tally.faults.out_of_order += !in_order(seen, *place, stamp->sequence);
  ++tally.delivered;
  tally.last_delivery = received_at_;
  if (received_at_ >= tally.measure_from && received_at_ < tally.measure_until) {
    ++tally.measured;
    tally.latency.record(received_at_ - stamp->sent);
  }
  sender.on_seen(before, lane_.progress(check));
}

Sender::Sender(Lane& lane, Roll& roll, const client::Options& options, std::uint32_t number)
    : Peer(lane.stage(), roll, options),
      lane_(lane),
      number_(number),
      copies_(lane.options().mapping.copies(number)),
      window_(lane.options().window),
      payload_(lane.options().payload_bytes, 'x') {
  if (lane.options().mapping.kind != Mapping::Kind::cells) topic_ = lane.options().mapping.topic(lane.root(), number);
}

void Sender::on_connected(const mqtt::Connack& connack) {
  if (lane_.options().qos != 0) {
    window_.limit(connack.properties.number(mqtt::PropertyId::receive_maximum, UINT16_MAX));
  }
  Peer::on_connected(connack);
}

void Sender::on_published(std::uint16_t, mqtt::ReasonCode code) {
  Tally& tally = lane_.tally();
  tally.faults.refused += mqtt::is_error(code);
  --tally.unacknowledged;
  ++tally.answers;
  window_.finish();
  if (lane_.options().rate > 0) send_due(received_at_);
  else refill();
}

void Sender::on_room() {
  if (lane_.options().rate > 0) send_due(io::Reactor::read_clock());
  else refill(true);
}

bool Sender::refill(bool at_once) {
  const TrafficOptions& options = lane_.options();
  if (!lane_.tally().sending) return false;
  if (options.qos == 0) window_.finish_to(lane_.front(number_, 0).slowest);
  std::uint64_t room = at_once ? window_.free() : window_.room();
  if (options.count != 0) room = std::min(room, options.count - std::min(options.count, sent()));
  if (room != 0) {
    const base::Time now = io::Reactor::read_clock();
    for (std::uint64_t i = 0; i < room && send(now); ++i) {
    }
  }
  if (options.qos == 0) {
    mark_ = window_.mark();
    behind_ = lane_.front(number_, mark_).behind;
  }
  return room != 0;
}

void Sender::write_off() {
  window_.finish_to(window_.sent());
  refill(true);
}

void Sender::add_due(base::Time due, base::Time now) {
  due_.add(due);
  send_due(now);
}

void Sender::send_due(base::Time now) {
  while (!due_.empty() && send(due_.front())) {
    lane_.tally().send_lag.record(now - due_.front());
    due_.pop();
  }
}

bool Sender::send(base::Time stamped) {
  const TrafficOptions& options = lane_.options();
  if (options.mapping.kind == Mapping::Kind::cells) {
    const std::uint64_t chance = scatter((std::uint64_t{number_} + 1) << 40 ^ sent());
    lane_.cells().topic(static_cast<std::uint32_t>(chance % options.cells), topic_);
  }
  Stamp{lane_.run(), number_, sent() + 1, stamped}.write(payload_.data(), payload_.size());
  if (!publish({.topic = topic_, .payload = payload_, .qos = static_cast<std::uint8_t>(options.qos)})) return false;
  Tally& tally = lane_.tally();
  window_.send();
  ++tally.sent;
  tally.expected += copies_;
  tally.unacknowledged += options.qos != 0;
  return true;
}

}  // namespace shoal::bench
