#include "mqtt/reason_code.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "mqtt/packet.hpp"

namespace shoal::mqtt {
namespace {

// Table 2-6 has 43 values, each with a name of its own.
TEST(ReasonCode, Names) {
  std::set<std::string_view> names;
  for (int value = 0; value < 256; ++value) {
    const auto name = to_string(static_cast<ReasonCode>(value));
    if (name != "unknown reason") names.insert(name);
    EXPECT_EQ(is_error(static_cast<ReasonCode>(value)), value >= 128);
  }
  EXPECT_EQ(names.size(), 43u);
}

TEST(ReasonCode, ReturnCodes) {
  EXPECT_EQ(to_return_code(ReasonCode::success), ConnectReturnCode::accepted);
  EXPECT_EQ(to_return_code(ReasonCode::unsupported_protocol_version), ConnectReturnCode::unacceptable_protocol_version);
  EXPECT_EQ(to_return_code(ReasonCode::client_identifier_not_valid), ConnectReturnCode::identifier_rejected);
  EXPECT_EQ(to_return_code(ReasonCode::quota_exceeded), ConnectReturnCode::server_unavailable);
  EXPECT_EQ(to_return_code(ReasonCode::bad_user_name_or_password), ConnectReturnCode::bad_user_name_or_password);
  EXPECT_EQ(to_return_code(ReasonCode::not_authorized), ConnectReturnCode::not_authorized);
  EXPECT_EQ(to_return_code(ReasonCode::topic_name_invalid), std::nullopt);
  for (int value = 128; value < 256; ++value) {
    EXPECT_NE(to_return_code(static_cast<ReasonCode>(value)), ConnectReturnCode::accepted) << value;
  }
}

TEST(PacketType, Names) {
  std::set<std::string_view> names;
  for (int type = 1; type < 16; ++type) names.insert(to_string(static_cast<PacketType>(type)));
  EXPECT_EQ(names.size(), 15u);
  EXPECT_EQ(to_string(PacketType{}), "unknown packet");
}

}  // namespace
}  // namespace shoal::mqtt
