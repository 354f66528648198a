#include "broker/shard_harness.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "broker/stats_sum.hpp"
#include "mqtt/decode.hpp"
#include "mqtt/encode.hpp"
#include "store/describe.hpp"

namespace shoal::broker {
namespace {

std::string number(std::uint8_t code) {
  if (code < 0x80) return std::to_string(code);
  char text[8];
  std::snprintf(text, sizeof text, "0x%02x", code);
  return text;
}

std::string describe(const mqtt::Publish& packet) {
  std::string text(packet.topic);
  text += "=" + std::string(base::as_text(packet.payload));
  text += " q" + std::to_string(packet.qos);
  if (packet.id != 0) text += " #" + std::to_string(packet.id);
  if (packet.dup) text += " dup";
  if (packet.retain) text += " retain";
  return text;
}

mqtt::Connect to_connect(const Hello& hello, Version version, mqtt::PropertyWriter& properties) {
  mqtt::Connect packet;
  packet.version = version;
  packet.clean_start = hello.clean;
  packet.keep_alive_s = hello.keep_alive_s;
  packet.client_id = hello.id;
  packet.user_name = hello.user;
  packet.password = hello.password;
  if (hello.expiry_s) properties.number(PropertyId::session_expiry_interval, *hello.expiry_s);
  if (hello.receive_maximum) properties.number(PropertyId::receive_maximum, *hello.receive_maximum);
  if (hello.packet_size_max) properties.number(PropertyId::maximum_packet_size, *hello.packet_size_max);
  packet.properties = properties.view(mqtt::PropertyPlace::connect);
  return packet;
}

}  // namespace

mqtt::Packet Sent::packet() const {
  mqtt::Frame frame;
  EXPECT_EQ(mqtt::cut_frame(bytes, frame), mqtt::FrameStatus::complete);
  auto decoded = mqtt::decode(frame, version);
  if (!decoded) {
    ADD_FAILURE() << to_string(type) << " is not well-formed: " << decoded.error().id << " " << decoded.error().what;
    return mqtt::Pingresp{};
  }
  return *decoded;
}

std::string Sent::text() const {
  struct Describe {
    std::string operator()(const mqtt::Connack& p) const {
      return number(p.code) + (p.session_present ? " present" : "");
    }
    std::string operator()(const mqtt::Publish& p) const { return describe(p); }
    std::string operator()(const mqtt::Ack& p) const {
      const auto code = static_cast<std::uint8_t>(p.code);
      return "#" + std::to_string(p.id) + (code != 0 ? " " + number(code) : "");
    }
    std::string operator()(const mqtt::SubscriptionAck& p) const {
      std::string text = "#" + std::to_string(p.id);
      for (const std::uint8_t code : p.codes) text += " " + number(code);
      return text;
    }
    std::string operator()(const mqtt::Disconnect& p) const { return number(static_cast<std::uint8_t>(p.code)); }
    std::string operator()(const mqtt::Pingresp&) const { return ""; }
    std::string operator()(const mqtt::Connect&) const { return "from a server"; }
    std::string operator()(const mqtt::Subscribe&) const { return "from a server"; }
    std::string operator()(const mqtt::Unsubscribe&) const { return "from a server"; }
    std::string operator()(const mqtt::Pingreq&) const { return "from a server"; }
    std::string operator()(const mqtt::Auth&) const { return "unasked"; }
  };
  const std::string rest = std::visit(Describe{}, packet());
  return std::string(to_string(type)) + (rest.empty() ? "" : " " + rest);
}

auth::Verdict FakeAuthority::check(std::optional<std::string_view>, std::optional<std::string_view>) {
  return {decision, "told so"};
}

bool FakeAuthority::verify(std::uint64_t client, std::string_view, std::string_view) {
  if (takes_more) verifying.push_back(client);
  return takes_more;
}

std::unique_ptr<ShardSet> shards_as_wanted(unsigned threads, const store::MemoryStore::Disk* disk) {
  const char* const wanted = std::getenv("SHOAL_TEST_SHARDS");
  if (threads == 1 && wanted) threads = static_cast<unsigned>(std::atoi(wanted));
  if (threads == 1 || disk || std::getenv("SHOAL_TEST_STORE")) return nullptr;
  return std::make_unique<ShardSet>(threads, base::TextHash());
}

Bed::OtherShard::OtherShard(Bed& bed, unsigned number)
    : shard(bed.options, {.now = bed.now,
                          .timers = bed.timers,
                          .chunks = bed.chunks,
                          .log = *bed.log,
                          .edge = edge,
                          .authority = bed.authority,
                          .want_turn_end = [this] { wants_turn = true; },
                          .set = bed.set.get(),
                          .number = number}) {}

Bed::Bed(BrokerOptions o, store::MemoryStore::Disk* given, std::uint64_t segment_bytes)
    : options(std::move(o)),
      log(std::make_unique<base::Log>()),
      set(shards_as_wanted(options.threads, given)),
      shard(options, {.now = now,
                      .timers = timers,
                      .chunks = chunks,
                      .log = *log,
                      .edge = edge,
                      .authority = authority,
                      .want_turn_end = [this] { wants_turn = true; },
                      .memory_freed = [this] { ++memory_freed; },
                      .set = set.get()}) {
  for (unsigned i = 1; set && i < set->count(); ++i) others.push_back(std::make_unique<OtherShard>(*this, i));
  disk = given;
  if (!disk && std::getenv("SHOAL_TEST_STORE")) disk = &own_disk;
  if (!disk) return;
  if (disk->alive_until() != 0) now = base::Time(base::milliseconds(disk->alive_until() - kWall));
  auto made = std::make_unique<store::MemoryStore>(*disk, segment_bytes);
  store = made.get();
  const store::Image image = disk->image();
  shard.use_store(std::move(made), image, disk->alive_until(), [this] { return wall(); });
  while (shard.restore_some(3)) turn();
  turn();
}

store::WallMs Bed::wall() const {
  return kWall + static_cast<store::WallMs>(base::duration_cast<base::milliseconds>(now.time_since_epoch()).count());
}

Bed::~Bed() {
  if (!store) return;
  store->hold(false);
  turn();
  store::Image::Missing missing;
  const std::string before = store::describe(disk->image(&missing));
  EXPECT_EQ(missing, store::Image::Missing());
  store->begin_segment();
  const auto first = store->place();
  store->set_damaged(true);
  shard.store_changed();
  while (static_cast<std::int16_t>(store->oldest() - first) < 0) one_turn();
  store->set_damaged(false);
  turn();
  EXPECT_EQ(store::describe(disk->image(&missing)), before);
  EXPECT_EQ(missing, store::Image::Missing());
  shard.leave_store();
}

void Bed::crash() {
  store = nullptr;
  shard.leave_store();
}

// Some of them, each after what it has heard.
bool Bed::one_turn_of_all() {
  const unsigned count = set->count();
  bool left = false;
  for (unsigned i = 0; i < count; ++i) {
    chance_ = chance_ * 1'664'525 + 1'013'904'223;
    const unsigned number = (chance_ >> 16) % count;
    Shard& some = shard_at(number);
    hear(some);
    if (std::exchange(number == 0 ? wants_turn : others[number - 1]->wants_turn, false)) some.turn_end();
  }
  for (Peer* peer : std::vector<Peer*>(peers)) peer->bury();
  for (unsigned i = 0; i < count; ++i)
    left = left || shard_at(i).has_mail() || (i == 0 ? wants_turn : others[i - 1]->wants_turn);
  return left;
}

Stats Bed::stats() const {
  Stats sum = shard.stats();
  for (const auto& other : others) add(sum, other->shard.stats());
  return sum;
}

bool Bed::disconnect(std::string_view client_id) {
  bool there = shard.disconnect(client_id);
  for (const auto& other : others) there = other->shard.disconnect(client_id) || there;
  return there;
}

void Bed::shut_down() {
  shard.shut_down();
  for (const auto& other : others) other->shard.shut_down();
}

bool Bed::one_turn() {
  if (set) return one_turn_of_all();
  wants_turn = false;
  const std::uint64_t before = shard.budget().work.done();
  shard.turn_end();
  most_work = std::max(most_work, shard.budget().work.done() - before);
  for (Peer* peer : std::vector<Peer*>(peers)) peer->bury();
  return wants_turn;
}

void Bed::turn() {
  wants_turn = true;  // as any event makes it
  for (const auto& other : others) other->wants_turn = true;
  while (one_turn()) {
  }
}

void Bed::advance(base::Duration time) {
  const base::Time target = now + time;
  while (timers.next() <= target) {
    now = std::max(now, timers.next());
    timers.run(now);
    turn();
  }
  now = target;
  turn();
}

Peer::Peer(Bed& bed, Version version)
    : bed_(bed), version_(version), client_(std::make_unique<Client>(bed.shard, *this)) {
  bed.peers.push_back(this);
}

Peer::~Peer() { std::erase(bed_.peers, this); }

Peer& Peer::raw(base::Bytes bytes) {
  give(bytes);
  bed_.turn();
  return *this;
}

Peer& Peer::give(base::Bytes bytes) {
  input_.insert(input_.end(), bytes.begin(), bytes.end());
  read();
  return *this;
}

Peer& Peer::raw(std::initializer_list<int> bytes) {
  const std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());
  return raw(copy);
}

void Peer::feed() {
  if (!client_ || client_->ended() || client_->paused() || input_.empty()) return;
  // In a block of its own, so that nothing may refer to it afterwards.
  const std::vector<std::uint8_t> given = std::move(input_);
  input_.clear();
  Bed::hear(client_->shard());
  if (client_->ended()) return;
  const std::size_t used = client_->receive(given);
  if (const auto shard = client_->moves_to()) {
    client_ = std::make_unique<Client>(bed_.shard_at(*shard), *this);
    input_ = given;
    return feed();
  }
  input_.insert(input_.begin(), given.begin() + static_cast<std::ptrdiff_t>(used), given.end());
}

void Peer::read() {
  if (client_ && !client_->ended() && !client_->paused() && client_->its_turn()) feed();
}

void Peer::resume() { feed(); }

// What leaves the link is in the socket's buffer, and with the peer sooner or later.
void Peer::send_from_link(std::size_t bytes) {
  base::ByteQueue& out = client_->link().out;
  for (base::Bytes piece; bytes > 0 && out.peek(&piece, 1) == 1;) {
    piece = piece.first(std::min(piece.size(), bytes));
    output_.insert(output_.end(), piece.begin(), piece.end());
    bytes -= piece.size();
    out.consume(piece.size());
  }
  mqtt::Frame frame;
  std::size_t at = 0;
  while (mqtt::cut_frame(base::Bytes(output_).subspan(at), frame) == mqtt::FrameStatus::complete) {
    const auto begin = output_.begin() + static_cast<std::ptrdiff_t>(at);
    packets_.push_back({frame.type, version_, {begin, begin + static_cast<std::ptrdiff_t>(frame.size)}});
    at += frame.size;
  }
  output_.erase(output_.begin(), output_.begin() + static_cast<std::ptrdiff_t>(at));
}

void Peer::flush() {
  const std::size_t before = client_->link().out.size();
  while (!stalled_ || client_->ended()) {
    send_from_link(SIZE_MAX);
    client_->drained();
    if (client_->link().out.empty()) break;
  }
  client_->account_output(client_->link().out.size() < before);
  if (client_->ended() && !client_->link().holds()) ended_ = true;
  // What waited because nothing was read from this side.
  if (!client_->ended() && !client_->paused() && !input_.empty()) client_->wait_in_line();
}

void Peer::bury() {
  if (ended_) client_.reset();
}

Peer& Peer::send(const mqtt::Packet& packet) {
  std::vector<std::uint8_t> bytes;
  mqtt::encode(packet, version_, bytes);
  return raw(bytes);
}

Peer& Peer::connect(const Hello& hello) {
  mqtt::PropertyWriter properties;
  return send(to_connect(hello, version_, properties));
}

Peer& Peer::connect(const Hello& hello, const Last& will) {
  mqtt::PropertyWriter properties;
  mqtt::Connect packet = to_connect(hello, version_, properties);
  packet.will = mqtt::Will{will.topic, base::as_bytes(will.payload), will.qos, will.retain,
                           will.properties.view(mqtt::PropertyPlace::will)};
  return send(packet);
}

Peer& Peer::publish(std::string_view topic, std::string_view payload, How how) {
  return send(mqtt::Publish{topic, base::as_bytes(payload), how.properties.view(mqtt::PropertyPlace::publish), how.id,
                            how.qos, how.retain, how.dup});
}

Peer& Peer::subscribe(std::string_view filter, std::uint8_t qos, std::uint32_t subscription_id) {
  return subscribe(filter, mqtt::SubscriptionOptions{.qos = qos}, subscription_id);
}

Peer& Peer::subscribe(std::string_view filter, mqtt::SubscriptionOptions options, std::uint32_t subscription_id) {
  mqtt::PropertyWriter properties;
  if (subscription_id != 0) properties.number(PropertyId::subscription_identifier, subscription_id);
  std::vector<std::uint8_t> filters;
  mqtt::append_filter(filters, {filter, options}, true);
  return send(mqtt::Subscribe{1, properties.view(mqtt::PropertyPlace::subscribe), mqtt::FilterList(filters, true)});
}

Peer& Peer::unsubscribe(std::string_view filter) {
  std::vector<std::uint8_t> filters;
  mqtt::append_filter(filters, {filter, {}}, false);
  return send(mqtt::Unsubscribe{1, {}, mqtt::FilterList(filters, false)});
}

Peer& Peer::ack(PacketType type, std::uint16_t id, ReasonCode code) { return send(mqtt::Ack{type, id, code, {}}); }

Peer& Peer::disconnect(ReasonCode code, std::optional<std::uint32_t> expiry_s) {
  mqtt::PropertyWriter properties;
  if (expiry_s) properties.number(PropertyId::session_expiry_interval, *expiry_s);
  return send(mqtt::Disconnect{code, properties.view(mqtt::PropertyPlace::disconnect)});
}

Peer& Peer::drop() {
  client_->lost("connection lost");
  bed_.turn();
  return *this;
}

Peer& Peer::stall(bool on) {
  stalled_ = on;
  if (!on && client_) flush();
  if (!on && bed_.set) bed_.turn();  // what other shards have for it follows
  return *this;
}

Peer& Peer::trickle(std::size_t bytes) {
  if (client_ && stalled_) send_from_link(bytes);
  return *this;
}

std::vector<Sent> Peer::take() { return std::exchange(packets_, {}); }

std::vector<std::string> Peer::got() {
  std::vector<std::string> texts;
  for (const Sent& packet : take()) texts.push_back(packet.text());
  return texts;
}

}  // namespace shoal::broker
