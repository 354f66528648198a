#include <benchmark/benchmark.h>

#include "mqtt/decode.hpp"
#include "mqtt/encode.hpp"

// From bytes to packets and back.

namespace shoal {
namespace {

using mqtt::Version;

constexpr std::string_view kTopic = "plant/7/line/3/temperature";

std::vector<std::uint8_t> encoded(const mqtt::Packet& packet, Version version) {
  std::vector<std::uint8_t> bytes;
  mqtt::encode(packet, version, bytes);
  return bytes;
}

void decode(benchmark::State& state, const mqtt::Packet& packet, Version version) {
  const auto bytes = encoded(packet, version);
  for (auto _ : state) {
    mqtt::Frame frame;
    benchmark::DoNotOptimize(mqtt::cut_frame(bytes, frame));
    const auto decoded = mqtt::decode(frame, version);
    if (!decoded) return state.SkipWithError("not decoded");
    benchmark::DoNotOptimize(decoded);
  }
}

void decode_publish(benchmark::State& state, Version version) {
  const std::vector<std::uint8_t> payload(static_cast<std::size_t>(state.range(0)), 'x');
  mqtt::PropertyWriter properties;
  if (version == Version::v5) {
    properties.text(mqtt::PropertyId::content_type, "text/plain").text(mqtt::PropertyId::response_topic, "a/b");
  }
  const auto bytes = encoded(mqtt::Publish{.topic = kTopic,
                                           .payload = payload,
                                           .properties = properties.view(mqtt::PropertyPlace::publish),
                                           .id = 7,
                                           .qos = 1},
                             version);
  // As a connection does it, which knows what it has before it.
  for (auto _ : state) {
    mqtt::Frame frame;
    benchmark::DoNotOptimize(mqtt::cut_frame(bytes, frame));
    const auto decoded = mqtt::decode_publish(frame, version);
    if (!decoded) return state.SkipWithError("not decoded");
    benchmark::DoNotOptimize(decoded);
  }
}
BENCHMARK_CAPTURE(decode_publish, v3, Version::v3_1_1)->Arg(64)->Arg(16'384);
BENCHMARK_CAPTURE(decode_publish, v5_with_properties, Version::v5)->Arg(64);

void decode_connect(benchmark::State& state) {
  mqtt::Connect packet;
  packet.keep_alive_s = 60;
  packet.client_id = "device-0001";
  packet.user_name = "alice";
  packet.password = "secret";
  decode(state, packet, Version::v5);
}
BENCHMARK(decode_connect);

void decode_puback(benchmark::State& state) {
  mqtt::Ack packet;
  packet.id = 7;
  decode(state, packet, Version::v3_1_1);
}
BENCHMARK(decode_puback);

void decode_subscribe(benchmark::State& state) {
  mqtt::Subscribe packet;
  packet.id = 7;
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < state.range(0); ++i) names.push_back("plant/" + std::to_string(i) + "/+/temperature/#");
  std::vector<std::uint8_t> filters;
  for (const std::string& name : names) mqtt::append_filter(filters, {name, {.qos = 1}}, true);
  packet.filters = mqtt::FilterList(filters, true);
  decode(state, packet, Version::v5);
}
BENCHMARK(decode_subscribe)->Arg(1)->Arg(100);

void encode_publish_head(benchmark::State& state, Version version, std::uint8_t qos) {
  const std::vector<std::uint8_t> payload(64, 'x');
  mqtt::PublishParts parts{};
  parts.topic = kTopic;
  parts.payload = payload;
  parts.id = qos;
  parts.qos = qos;
  std::array<std::uint8_t, 256> out;
  for (auto _ : state) {
    const auto size = mqtt::publish_size(parts, version);
    benchmark::DoNotOptimize(mqtt::encode_publish_head(out.data(), parts, size, version));
    benchmark::ClobberMemory();
  }
}
BENCHMARK_CAPTURE(encode_publish_head, v3_qos0, Version::v3_1_1, std::uint8_t{0});
BENCHMARK_CAPTURE(encode_publish_head, v5_qos1, Version::v5, std::uint8_t{1});

void encode_ack(benchmark::State& state) {
  std::array<std::uint8_t, mqtt::kAckSizeMax> out;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        mqtt::encode_ack(out.data(), mqtt::PacketType::puback, 7, mqtt::ReasonCode::success, Version::v5));
    benchmark::ClobberMemory();
  }
}
BENCHMARK(encode_ack);

}  // namespace
}  // namespace shoal
