#include "mqtt/properties.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

#include "conformance/covers.hpp"
#include "mqtt/varint.hpp"

namespace shoal::mqtt {
namespace {

enum class Kind { byte, two, four, varint, text, binary, pair };

struct Row {
  PropertyId id;
  Kind kind;
  const char* places;
};

// Table 2-4 of the standard, typed from it a second time. Letters: C CONNECT, c CONNACK, P PUBLISH,
// A acknowledgements of PUBLISH, S SUBSCRIBE, s SUBACK and UNSUBACK, U UNSUBSCRIBE, D DISCONNECT, X AUTH,
// W will.
constexpr Row kTable[] = {
    {static_cast<PropertyId>(1), Kind::byte, "PW"},          {static_cast<PropertyId>(2), Kind::four, "PW"},
    {static_cast<PropertyId>(3), Kind::text, "PW"},          {static_cast<PropertyId>(8), Kind::text, "PW"},
    {static_cast<PropertyId>(9), Kind::binary, "PW"},        {static_cast<PropertyId>(11), Kind::varint, "PS"},
    {static_cast<PropertyId>(17), Kind::four, "CcD"},        {static_cast<PropertyId>(18), Kind::text, "c"},
    {static_cast<PropertyId>(19), Kind::two, "c"},           {static_cast<PropertyId>(21), Kind::text, "CcX"},
    {static_cast<PropertyId>(22), Kind::binary, "CcX"},      {static_cast<PropertyId>(23), Kind::byte, "C"},
    {static_cast<PropertyId>(24), Kind::four, "W"},          {static_cast<PropertyId>(25), Kind::byte, "C"},
    {static_cast<PropertyId>(26), Kind::text, "c"},          {static_cast<PropertyId>(28), Kind::text, "cD"},
    {static_cast<PropertyId>(31), Kind::text, "cAsDX"},      {static_cast<PropertyId>(33), Kind::two, "Cc"},
    {static_cast<PropertyId>(34), Kind::two, "Cc"},          {static_cast<PropertyId>(35), Kind::two, "P"},
    {static_cast<PropertyId>(36), Kind::byte, "c"},          {static_cast<PropertyId>(37), Kind::byte, "c"},
    {static_cast<PropertyId>(38), Kind::pair, "CcPASsUDXW"}, {static_cast<PropertyId>(39), Kind::four, "Cc"},
    {static_cast<PropertyId>(40), Kind::byte, "c"},          {static_cast<PropertyId>(41), Kind::byte, "c"},
    {static_cast<PropertyId>(42), Kind::byte, "c"},
};

const std::map<char, PropertyPlace> kPlaces = {{'C', PropertyPlace::connect},     {'c', PropertyPlace::connack},
                                               {'P', PropertyPlace::publish},     {'A', PropertyPlace::ack},
                                               {'S', PropertyPlace::subscribe},   {'s', PropertyPlace::suback},
                                               {'U', PropertyPlace::unsubscribe}, {'D', PropertyPlace::disconnect},
                                               {'X', PropertyPlace::auth},        {'W', PropertyPlace::will}};

// A place that allows the property.
PropertyPlace home(const Row& row) { return kPlaces.at(row.places[0]); }

std::vector<std::uint8_t> one(const Row& row) {
  PropertyWriter writer;
  if (row.kind == Kind::pair) writer.user("k", "v");
  else if (row.kind == Kind::text || row.kind == Kind::binary) writer.text(row.id, "x");
  else writer.number(row.id, 1);
  return {writer.raw().begin(), writer.raw().end()};
}

TEST(Properties, EveryIdentifierInEveryPlace) {
  std::map<int, const Row*> rows;
  for (const Row& row : kTable) rows[static_cast<int>(row.id)] = &row;
  ASSERT_EQ(rows.size(), 27u);
  for (int id = 0; id < 256; ++id) {
    for (const auto& [letter, place] : kPlaces) {
      const auto row = rows.find(id);
      std::vector<std::uint8_t> bytes{static_cast<std::uint8_t>(id), 0, 0, 0, 0};
      if (row != rows.end()) bytes = one(*row->second);
      const bool allowed =
          row != rows.end() && std::string_view(row->second->places).find(letter) != std::string_view::npos;
      const auto parsed = Properties::parse(bytes, place);
      ASSERT_EQ(parsed.ok(), allowed) << id << " " << letter;
      if (!allowed) {
        EXPECT_EQ(parsed.error().code, ReasonCode::malformed_packet);
        continue;
      }
      EXPECT_TRUE(parsed->has(static_cast<PropertyId>(id)));
      for (const Row& other : kTable) EXPECT_EQ(parsed->has(other.id), static_cast<int>(other.id) == id);
    }
  }
}

TEST(Properties, SecondOccurrence) {
  for (const Row& row : kTable) {
    std::vector<std::uint8_t> twice = one(row);
    const auto once = twice;
    twice.insert(twice.end(), once.begin(), once.end());
    for (const char letter : std::string_view(row.places)) {
      const auto parsed = Properties::parse(twice, kPlaces.at(letter));
      const bool repeatable = row.kind == Kind::pair || (row.kind == Kind::varint && letter == 'P');
      ASSERT_EQ(parsed.ok(), repeatable) << static_cast<int>(row.id) << letter;
      if (!repeatable) {
        EXPECT_EQ(parsed.error().code, ReasonCode::protocol_error);
      }
    }
  }
}

TEST(Properties, CutAtEveryByte) {
  for (const Row& row : kTable) {
    const auto whole = one(row);
    for (std::size_t size = 1; size < whole.size(); ++size) {
      const std::vector<std::uint8_t> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      const auto parsed = Properties::parse(part, home(row));
      ASSERT_FALSE(parsed.ok()) << static_cast<int>(row.id) << " " << size;
      EXPECT_EQ(parsed.error().code, ReasonCode::malformed_packet);
    }
  }
}

// Which numbers are allowed: 0, 1, 2 and the largest of the type.
TEST(Properties, Values) {
  const auto outcome = [](const Row& row, std::uint32_t value) {
    PropertyWriter writer;
    writer.number(row.id, value);
    const auto parsed = Properties::parse(writer.raw(), home(row));
    if (!parsed) return parsed.error().code;
    EXPECT_EQ(parsed->number(row.id), value);
    return ReasonCode::success;
  };
  for (const Row& row : kTable) {
    std::uint32_t largest = 0;
    switch (row.kind) {
      case Kind::byte: largest = 0xff; break;
      case Kind::two: largest = 0xffff; break;
      case Kind::four: largest = 0xffffffff; break;
      case Kind::varint: largest = kVarintMax; break;
      default: continue;
    }
    const int id = static_cast<int>(row.id);
    const bool zero_allowed = id != 33 && id != 39 && id != 35 && id != 11;
    const ReasonCode zero_code = id == 35 ? ReasonCode::topic_alias_invalid : ReasonCode::protocol_error;
    EXPECT_EQ(outcome(row, 0), zero_allowed ? ReasonCode::success : zero_code) << id;
    EXPECT_EQ(outcome(row, 1), ReasonCode::success) << id;
    const ReasonCode more = row.kind == Kind::byte ? ReasonCode::protocol_error : ReasonCode::success;
    EXPECT_EQ(outcome(row, 2), more) << id;
    EXPECT_EQ(outcome(row, largest), more) << id;
  }
}

TEST(Properties, Texts) {
  covers_v5("MQTT-3.3.2-13 MQTT-3.3.2-14 MQTT-3.3.2-19");
  for (const Row& row : kTable) {
    if (row.kind != Kind::text && row.kind != Kind::binary) continue;
    const auto code = [&](std::string_view value) {
      PropertyWriter writer;
      writer.text(row.id, value);
      const auto parsed = Properties::parse(writer.raw(), home(row));
      if (!parsed) return parsed.error().code;
      EXPECT_EQ(parsed->text(row.id), value);
      return ReasonCode::success;
    };
    const bool topic = row.id == PropertyId::response_topic;
    EXPECT_EQ(code("x"), ReasonCode::success);
    EXPECT_EQ(code(std::string(65'535, 'x')), ReasonCode::success);
    EXPECT_EQ(code(""), topic ? ReasonCode::protocol_error : ReasonCode::success);
    EXPECT_EQ(code("a/#"), topic ? ReasonCode::protocol_error : ReasonCode::success);
    const ReasonCode not_text = row.kind == Kind::text ? ReasonCode::malformed_packet : ReasonCode::success;
    EXPECT_EQ(code("\xff"), not_text);
    EXPECT_EQ(code(std::string_view("\0", 1)), not_text);
  }
}

TEST(Properties, Absent) {
  const Properties properties;
  EXPECT_TRUE(properties.empty());
  EXPECT_FALSE(properties.has(PropertyId::receive_maximum));
  EXPECT_EQ(properties.number(PropertyId::receive_maximum, 65'535), 65'535u);
  EXPECT_EQ(properties.number(PropertyId::topic_alias), 0u);
  EXPECT_EQ(properties.text(PropertyId::reason_string), "");
  properties.each_user_property([](const UserProperty&) { FAIL(); });
}

TEST(Properties, UserPropertiesInOrder) {
  PropertyWriter writer;
  writer.user("b", "1").number(PropertyId::topic_alias, 3).user("a", "").user("b", "1").user("", std::string(300, 'x'));
  std::vector<std::pair<std::string, std::string>> seen;
  writer.view(PropertyPlace::publish).each_user_property([&](const UserProperty& pair) {
    seen.emplace_back(pair.name, pair.value);
  });
  EXPECT_EQ(seen, (std::vector<std::pair<std::string, std::string>>{
                      {"b", "1"}, {"a", ""}, {"b", "1"}, {"", std::string(300, 'x')}}));
}

TEST(PropertyWriter, Bytes) {
  PropertyWriter writer;
  EXPECT_TRUE(writer.empty());
  writer.number(PropertyId::payload_format_indicator, 1)
      .number(PropertyId::topic_alias, 0x1234)
      .number(PropertyId::message_expiry_interval, 0x12345678)
      .number(PropertyId::subscription_identifier, 300)
      .text(PropertyId::content_type, "ab")
      .user("k", "v");
  const std::vector<std::uint8_t> expected{0x01, 1, 0x23, 0x12, 0x34, 0x02, 0x12, 0x34, 0x56, 0x78, 0x0b, 0xac, 0x02,
                                           0x03, 0, 2,    'a',  'b',  0x26, 0,    1,    'k',  0,    1,    'v'};
  EXPECT_EQ(std::vector<std::uint8_t>(writer.raw().begin(), writer.raw().end()), expected);
  writer.clear();
  EXPECT_TRUE(writer.empty());
}

// Random sets written, read back, and copied property by property.
TEST(PropertyWriter, RoundTrip) {
  std::mt19937 random(11);
  for (int i = 0; i < 2'000; ++i) {
    PropertyWriter writer;
    std::map<PropertyId, std::uint32_t> numbers;
    std::map<PropertyId, std::string> texts;
    std::vector<std::uint32_t> ids;
    for (int k = static_cast<int>(random() % 12); k > 0; --k) {
      const Row& row = kTable[random() % std::size(kTable)];
      if (std::string_view(row.places).find('P') == std::string_view::npos) continue;
      if (row.kind == Kind::pair) {
        writer.user(std::string(random() % 5, 'k'), std::string(random() % 200, 'v'));
      } else if (row.kind == Kind::varint) {
        ids.push_back(1 + random() % kVarintMax);
        writer.number(row.id, ids.back());
      } else if (row.kind == Kind::text || row.kind == Kind::binary) {
        if (texts.contains(row.id)) continue;
        texts[row.id] = std::string(1 + random() % 300, 't');
        writer.text(row.id, texts[row.id]);
      } else {
        if (numbers.contains(row.id)) continue;
        numbers[row.id] = row.kind == Kind::byte ? random() % 2 : 1 + random() % 0xffff;
        writer.number(row.id, numbers[row.id]);
      }
    }
    const auto parsed = Properties::parse(writer.raw(), PropertyPlace::publish);
    ASSERT_TRUE(parsed.ok()) << parsed.error().what;
    for (const auto& [id, value] : numbers) ASSERT_EQ(parsed->number(id, 77), value);
    for (const auto& [id, value] : texts) ASSERT_EQ(parsed->text(id), value);
    if (!ids.empty()) {
      ASSERT_EQ(parsed->number(PropertyId::subscription_identifier), ids.front());
    }
    PropertyWriter copy;
    parsed->each([&](PropertyId id, Bytes value) { copy.copy(id, value); });
    ASSERT_TRUE(std::equal(copy.raw().begin(), copy.raw().end(), writer.raw().begin(), writer.raw().end()));
  }
}

}  // namespace
}  // namespace shoal::mqtt
