#include "api/client_list.hpp"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

TEST(ClientListJson, RoundTrips) {
  const ClientPage page{.clients = {{.client_id = "a\"\x1b[31m\xc3\xa4",
                                     .user = "alice",
                                     .address = "127.0.0.1:50000",
                                     .protocol = "3.1.1",
                                     .connected_s = 1,
                                     .keep_alive_s = 2,
                                     .subscriptions = 3,
                                     .queued_messages = 4,
                                     .queued_bytes = 5,
                                     .in_flight = 6},
                                    {.client_id = "b"}},
                        .next = 77};
  const std::string text = to_json(page);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  const auto back = client_page_from_json(text);
  ASSERT_TRUE(back.ok());
  ASSERT_EQ(back->clients.size(), 2u);
  EXPECT_EQ(back->next, 77u);
  EXPECT_EQ(to_json(*back), text);
  EXPECT_EQ(back->clients[0].client_id, page.clients[0].client_id);
  EXPECT_EQ(back->clients[0].queued_bytes, 5u);
  EXPECT_EQ(back->clients[1].user, "");
  EXPECT_EQ(to_json({}), R"({"clients":[],"next":null})");
  for (const char* bad : {"", "[]", "{}", R"({"clients":1})", R"({"clients":[1]})"}) {
    EXPECT_FALSE(client_page_from_json(bad).ok()) << bad;
  }
}

TEST(PercentEncoding, RoundTripsAllBytes) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  const std::string encoded = percent_encoded(all);
  for (const char c : encoded) EXPECT_TRUE(c > ' ' && c < 127 && c != '/' && c != '?' && c != '#');
  EXPECT_EQ(*percent_decoded(encoded), all);
  EXPECT_EQ(*percent_decoded("a%2fb"), "a/b");
  for (const char* bad : {"%", "%2", "%zz", "a%2", "%+1", "% 1"}) EXPECT_FALSE(percent_decoded(bad).ok()) << bad;
}

}  // namespace
}  // namespace shoal::api
