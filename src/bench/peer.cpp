#include "bench/peer.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <utility>

namespace shoal::bench {
namespace {

client::Options named(client::Options options, Stage& stage) {
  if (options.client_id.empty()) options.client_id = stage.new_client_id();
  return options;
}

constexpr std::size_t kFiltersPerPacket = 10;
constexpr std::uint32_t kSubscribesMax = 8;  // without an answer
constexpr base::Duration kLeaveLimit = base::seconds(3);

/// Connects without a session, which ends the one that there was, and leaves.
class Remover final : public Peer {
 public:
  using Peer::Peer;

 private:
  void on_connected(const mqtt::Connack&) override { leave(); }
};

void remove_sessions(Stage& stage, Report& report, const std::vector<Call>& calls) {
  Roll roll;
  roll.collects = true;  // whatever happens to them, the run is over
  client::Options options = stage.settings().connection;
  options.clean_start = true;
  options.session_expiry_s = 0;
  std::vector<std::unique_ptr<Remover>> removers;
  const base::Time limit = io::Reactor::read_clock() + stage.settings().setup_limit;
  while (roll.ended < calls.size() && io::Reactor::read_clock() < limit) {
    while (removers.size() < calls.size() && removers.size() - roll.ended < stage.settings().concurrency) {
      const Call& call = calls[removers.size()];
      options.client_id = call.peer->client_id();
      removers.push_back(std::make_unique<Remover>(stage, roll, options));
      removers.back()->dial(*call.broker);
    }
    stage.reactor().turn();
  }
  if (roll.ended < calls.size() || roll.lost != 0) report.warn("some sessions were not removed from the broker");
}

}  // namespace

Peer::Peer(Stage& stage, Roll& roll, const client::Options& options)
    : stage_(stage), roll_(roll), client_(stage.reactor(), named(options, stage), *this) {}

void Peer::dial(const Broker& broker) {
  broker_ = &broker;
  dialed_at_ = io::Reactor::read_clock();
  ++roll_.dialed;
  if (const auto begun = client_.connect(broker.endpoints); !begun) {
    on_end({client::End::Why::lost, begun.error().message});
  }
}

void Peer::subscribe(std::vector<std::string> filters, unsigned qos) {
  const auto packets = static_cast<std::uint32_t>((filters.size() + kFiltersPerPacket - 1) / kFiltersPerPacket);
  asked_ += packets;
  roll_.subscribing += packets;
  filters_ = std::move(filters);
  next_filter_ = 0;
  filter_qos_ = static_cast<std::uint8_t>(qos);
  for (std::uint32_t i = 0; i < kSubscribesMax; ++i) subscribe_more();
}

void Peer::subscribe_more() {
  if (filters_.empty()) return;
  std::array<mqtt::FilterEntry, kFiltersPerPacket> entries;
  const std::size_t count = std::min(kFiltersPerPacket, filters_.size() - next_filter_);
  for (std::size_t i = 0; i < count; ++i) entries[i] = {filters_[next_filter_ + i], {.qos = filter_qos_}};
  if (const auto sent = client_.subscribe(std::span(entries).first(count)); !sent) {
    return stage_.fail(broker_->name + ": cannot subscribe: " + sent.error().message);
  }
  next_filter_ += count;
  if (next_filter_ == filters_.size()) filters_ = {};
}

std::optional<std::uint16_t> Peer::publish(const client::Outgoing& message) {
  const auto sent = client_.publish(message);
  if (sent) return *sent;
  if (sent.error().code != ErrorCode::resource_exhausted && connected()) {
    stage_.fail(broker_->name + ": cannot publish: " + sent.error().message);
  }
  return {};
}

void Peer::on_connected(const mqtt::Connack&) {
  ++roll_.connected;
  roll_.connack.record(received_at_ - dialed_at_);
}

void Peer::on_subscribed(std::uint16_t, base::Bytes codes) {
  --asked_;
  --roll_.subscribing;
  const auto refused = [](std::uint8_t code) { return mqtt::is_error(static_cast<mqtt::ReasonCode>(code)); };
  const auto first = std::find_if(codes.begin(), codes.end(), refused);
  if (first == codes.end()) return subscribe_more();
  roll_.refused_filters += static_cast<std::uint64_t>(std::count_if(first, codes.end(), refused));
  stage_.fail(broker_->name + ": the broker refused to subscribe: " +
              std::string(mqtt::to_string(static_cast<mqtt::ReasonCode>(*first))));
}

void Peer::on_end(const client::End& end) {
  ended_ = true;
  roll_.subscribing -= asked_;
  asked_ = 0;
  ++roll_.ended;
  if (end.why != client::End::Why::done) {
    if (roll_.lost++ == 0) roll_.first_loss = broker_->name + ": " + end.message;
    if (!roll_.collects) stage_.fail(roll_.first_loss);
  }
  if (roll_.collects) roll_.gone.push_back(this);
}

bool connect_all(Stage& stage, Roll& roll, const std::vector<Call>& calls) {
  std::size_t next = 0;
  const std::uint64_t before = roll.connected;
  const auto waited = stage.wait(
      [&] {
        while (next < calls.size() && next - (roll.connected - before) < stage.settings().concurrency) {
          calls[next].peer->dial(*calls[next].broker);
          ++next;
        }
        return roll.connected - before == calls.size();
      },
      stage.now() + stage.settings().setup_limit);
  if (waited == Stage::Waited::late) {
    stage.fail("only " + std::to_string(roll.connected - before) + " of " + std::to_string(calls.size()) +
               " clients were connected in time; --setup SECONDS gives them longer");
  }
  return waited == Stage::Waited::done;
}

bool await_subscriptions(Stage& stage, Roll& roll) {
  const auto waited = stage.wait([&] { return roll.subscribing == 0; }, stage.now() + stage.settings().setup_limit);
  if (waited == Stage::Waited::late) {
    stage.fail(std::to_string(roll.subscribing) +
               " SUBSCRIBEs were not answered in time; --setup SECONDS gives longer");
  }
  return waited == Stage::Waited::done && !stage.failed();
}

void conclude(Stage& stage, Report& report, const std::vector<Call>& calls) {
  report.add("interrupted", stage.interrupted());
  if (stage.failed()) report.fault(stage.failure());
  std::vector<const Peer*> leaving;
  for (const Call& call : calls) {
    if (!call.peer->connected()) continue;
    call.peer->leave();
    leaving.push_back(call.peer);
  }
  // Also after a failure or an interrupt: who says goodbye leaves nothing behind.
  const base::Time limit = io::Reactor::read_clock() + kLeaveLimit;
  for (std::size_t gone = 0; gone < leaving.size() && io::Reactor::read_clock() < limit;) {
    if (leaving[gone]->ended()) ++gone;
    else stage.reactor().turn();
  }
  if (!stage.settings().connection.clean_start) remove_sessions(stage, report, calls);
}

}  // namespace shoal::bench
