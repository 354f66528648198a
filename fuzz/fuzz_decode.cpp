// A stream of packets, the first byte chooses the version. Whatever decodes must encode, decode to the
// same meaning and encode to the same bytes from then on.
#include <cstring>

#include "mqtt/encode.hpp"
#include "packet_cases/packet_case.hpp"
#include "packet_cases/render.hpp"
#include "target.hpp"

namespace {

using namespace shoal;
using fuzz::check;

constexpr mqtt::Version kVersions[] = {mqtt::Version::v3_1, mqtt::Version::v3_1_1, mqtt::Version::v5};

void encode_to_the_same(const mqtt::Frame& frame, mqtt::Version version) {
  const auto first = packet_cases::round_trip(frame, version);
  if (first.error) {
    check(mqtt::is_error(first.error->code), "an error has the code of an error");
    check(std::strlen(first.error->id) > 0 && std::strlen(first.error->what) > 0, "an error says what and where");
    return;
  }
  check(first.meaning == first.meaning_again, "an encoded packet means the same");
  // What the encoder leaves out is optional, so only a padded or explicit form is longer.
  check(first.encoded.size() <= frame.size, "encoding does not lengthen a packet");
  mqtt::Frame again;
  check(mqtt::cut_frame(first.encoded, again) == mqtt::FrameStatus::complete, "an encoded packet is whole");
  check(packet_cases::round_trip(again, version).encoded == first.encoded, "encoding is stable");
}

// The hot path's encoder against the general one.
void encode_publish(const mqtt::Publish& packet, mqtt::Version version) {
  mqtt::PublishParts parts;
  parts.topic = packet.topic;
  parts.payload = packet.payload;
  parts.properties = packet.properties.raw();
  parts.id = packet.id;
  parts.qos = packet.qos;
  parts.retain = packet.retain;
  parts.dup = packet.dup;
  const mqtt::PublishSize size = mqtt::publish_size(parts, version);
  check(size.head + parts.payload.size() == size.total, "head and payload are the packet");
  std::vector<std::uint8_t> head(size.head);
  const std::uint8_t* id_at = mqtt::encode_publish_head(head.data(), parts, size, version);
  check((id_at == nullptr) == (packet.qos == 0), "a packet id at QoS 1 and 2");
  if (id_at != nullptr) check((id_at[0] << 8 | id_at[1]) == packet.id, "the packet id is where it is said to be");
  head.insert(head.end(), packet.payload.begin(), packet.payload.end());
  std::vector<std::uint8_t> whole;
  mqtt::encode(packet, version, whole);
  check(head == whole, "both encoders agree");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const mqtt::Version version = kVersions[data[0] % 3];
  mqtt::Bytes rest(data + 1, size - 1);
  mqtt::Frame frame;
  while (mqtt::cut_frame(rest, frame) == mqtt::FrameStatus::complete) {
    check(frame.size <= rest.size() && frame.body.size() + 2 <= frame.size, "a frame is inside the stream");
    encode_to_the_same(frame, version);
    if (frame.type == mqtt::PacketType::publish) {
      if (const auto publish = mqtt::decode_publish(frame, version)) encode_publish(*publish, version);
    }
    rest = rest.subspan(frame.size);
  }
  return 0;
}

std::vector<fuzz::Seed> fuzz::seeds() {
  std::vector<Seed> seeds;
  std::vector<std::uint8_t> streams[3] = {{0}, {1}, {2}};
  for (const auto& packet : packet_cases::all()) {
    const auto bytes = packet_cases::to_bytes(packet.notation);
    for (const mqtt::Version version : packet_cases::versions_of(packet)) {
      const auto index = static_cast<std::uint8_t>(static_cast<unsigned>(version) - 3);
      Seed seed{index};
      seed.insert(seed.end(), bytes.begin(), bytes.end());
      seeds.push_back(seed);
      if (packet.meaning != nullptr) streams[index].insert(streams[index].end(), bytes.begin(), bytes.end());
    }
  }
  seeds.insert(seeds.end(), std::begin(streams), std::end(streams));
  return seeds;
}
