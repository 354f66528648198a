#include <benchmark/benchmark.h>

#include <memory>

#include "broker/shard.hpp"
#include "mqtt/decode.hpp"
#include "mqtt/encode.hpp"

// A message from its publisher's bytes to its subscribers' bytes, without sockets: a shard, and clients whose transport
// takes everything at once and answers it.

namespace shoal::broker {
namespace {

class Everybody final : public Authority {
 public:
  auth::Verdict check(std::optional<std::string_view>, std::optional<std::string_view>) override {
    return {auth::Decision::accepted, ""};
  }
  bool verify(std::uint64_t, std::string_view, std::string_view) override { return false; }
};

struct Bed {
  Bed() { options.auth.anonymous = true; }
  void turn() {
    do {
      wants_turn = false;
      shard.turn_end();
    } while (wants_turn);
  }

  BrokerOptions options;
  base::Time now{base::seconds(1'000'000)};
  io::TimerQueue timers;
  base::ChunkPool chunks;
  base::Log log;
  EdgeCounters edge;
  Everybody authority;
  bool wants_turn = false;
  Shard shard{options,
              {.now = now,
               .timers = timers,
               .chunks = chunks,
               .log = log,
               .edge = edge,
               .authority = authority,
               .want_turn_end = [this] { wants_turn = true; }}};
};

class Wire final : public Transport {
 public:
  Wire(Bed& bed, std::string_view id) : client_(bed.shard, *this) {
    mqtt::Connect packet;
    packet.version = mqtt::Version::v3_1_1;
    packet.client_id = id;
    give(packet);
  }
  void give(const mqtt::Packet& packet) {
    std::vector<std::uint8_t> bytes;
    mqtt::encode(packet, mqtt::Version::v3_1_1, bytes);
    give(bytes);
  }
  void give(base::Bytes bytes) { client_.receive(bytes); }
  void subscribe(std::string_view filter, std::uint8_t qos) {
    std::vector<std::uint8_t> filters;
    mqtt::append_filter(filters, {filter, {.qos = qos}}, true);
    mqtt::Subscribe packet;
    packet.id = 1;
    packet.filters = mqtt::FilterList(filters, true);
    give(packet);
  }
  /// Acknowledges what came; at QoS 0 there is nothing.
  void answer() {
    for (const std::uint16_t id : std::exchange(unanswered_, {})) {
      answers_.resize(answers_.size() + mqtt::kAckSizeMax);
      const std::size_t size =
          mqtt::encode_ack(answers_.data() + answers_.size() - mqtt::kAckSizeMax, mqtt::PacketType::puback, id,
                           mqtt::ReasonCode::success, mqtt::Version::v3_1_1);
      answers_.resize(answers_.size() - mqtt::kAckSizeMax + size);
    }
    if (!answers_.empty()) give(answers_);
    answers_.clear();
  }
  std::uint64_t messages() const { return messages_; }

 private:
  void flush() override {
    base::ByteQueue& out = client_.link().out;
    base::Bytes piece;
    while (out.peek(&piece, 1) == 1) {
      input_.insert(input_.end(), piece.begin(), piece.end());
      out.consume(piece.size());
    }
    mqtt::Frame frame;
    std::size_t at = 0;
    for (; mqtt::cut_frame(base::Bytes(input_).subspan(at), frame) == mqtt::FrameStatus::complete; at += frame.size) {
      if (frame.type != mqtt::PacketType::publish) continue;
      ++messages_;
      const std::size_t topic = std::size_t{frame.body[0]} << 8 | frame.body[1];
      if ((frame.flags >> 1 & 3) != 0) {
        unanswered_.push_back(static_cast<std::uint16_t>(frame.body[2 + topic] << 8 | frame.body[3 + topic]));
      }
    }
    input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(at));
    client_.drained();
  }
  void resume() override {}
  std::string peer() const override { return {}; }

  std::vector<std::uint8_t> input_;
  std::vector<std::uint8_t> answers_;
  std::vector<std::uint16_t> unanswered_;
  std::uint64_t messages_ = 0;
  Client client_;
};

/// 50 messages in a turn to so many subscribers; reading and answering by these is part of the time.
void deliver(benchmark::State& state, std::uint8_t qos) {
  constexpr std::uint16_t kBatch = 50;
  const auto bed = std::make_unique<Bed>();
  const auto publisher = std::make_unique<Wire>(*bed, "publisher");
  std::vector<std::unique_ptr<Wire>> subscribers;
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    subscribers.push_back(std::make_unique<Wire>(*bed, "subscriber-" + std::to_string(i)));
    subscribers.back()->subscribe("plant/7/temperature", qos);
  }
  bed->turn();
  const std::vector<std::uint8_t> payload(64, 'x');
  std::vector<std::uint8_t> batch;
  mqtt::Publish message{};
  message.topic = "plant/7/temperature";
  message.payload = payload;
  message.qos = qos;
  for (std::uint16_t i = 1; i <= kBatch; ++i) {
    message.id = qos == 0 ? std::uint16_t{0} : i;
    mqtt::encode(message, mqtt::Version::v3_1_1, batch);
  }
  for (auto _ : state) {
    publisher->give(batch);
    bed->turn();
    for (const auto& subscriber : subscribers) subscriber->answer();
    bed->turn();
  }
  std::uint64_t delivered = 0;
  for (const auto& subscriber : subscribers) delivered += subscriber->messages();
  const auto expected = static_cast<std::uint64_t>(state.iterations()) * kBatch * subscribers.size();
  if (delivered != expected) return state.SkipWithError("not everything was delivered");
  using benchmark::Counter;
  state.counters["per_message"] = Counter(static_cast<double>(delivered), Counter::kIsRate | Counter::kInvert);
}
BENCHMARK_CAPTURE(deliver, qos0, std::uint8_t{0})->Arg(1)->Arg(100);
BENCHMARK_CAPTURE(deliver, qos1, std::uint8_t{1})->Arg(1)->Arg(100);

}  // namespace
}  // namespace shoal::broker
