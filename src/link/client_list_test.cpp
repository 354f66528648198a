#include "link/client_list.hpp"

#include <gtest/gtest.h>

namespace shoal::link {
namespace {

ClientInfo client(std::string id, std::uint64_t next) {
  return {.client_id = std::move(id),
          .user = "al\\ice\n",
          .address = "[::1]:50000",
          .protocol = "5.0",
          .connected_s = UINT64_MAX,
          .keep_alive_s = 65'535,
          .subscriptions = 3,
          .queued_messages = 4,
          .queued_bytes = 5,
          .in_flight = 6,
          .next = next};
}

ClientPage over_the_wire(const ClientPage& page) {
  const Message message = to_message("lab", page);
  const std::string bytes = message.encode();
  EXPECT_LE(bytes.size(), kMessageBytesMax);
  const auto back = Message::decode(bytes);
  EXPECT_TRUE(back.ok());
  EXPECT_EQ(back->text("name"), "lab");
  return client_page_from(*back);
}

TEST(ClientList, RoundTrips) {
  const ClientPage page{.clients = {client("a", 9), client("", 8), client("\x7f\t\xc3\xa4", 7)}, .next = 7};
  const ClientPage back = over_the_wire(page);
  ASSERT_EQ(back.clients.size(), 3u);
  EXPECT_EQ(back.next, 7u);
  for (std::size_t i = 0; i < 3; ++i) {
    const ClientInfo& one = back.clients[i];
    EXPECT_EQ(one.client_id, page.clients[i].client_id);
    EXPECT_EQ(one.user, "al\\ice\n");
    EXPECT_EQ(one.address, "[::1]:50000");
    EXPECT_EQ(one.protocol, "5.0");
    EXPECT_EQ(one.connected_s, UINT64_MAX);
    EXPECT_EQ(one.keep_alive_s, 65'535u);
    EXPECT_EQ(one.subscriptions, 3u);
    EXPECT_EQ(one.queued_messages, 4u);
    EXPECT_EQ(one.queued_bytes, 5u);
    EXPECT_EQ(one.in_flight, 6u);
  }
  EXPECT_EQ(over_the_wire({}).next, 0u);
}

TEST(ClientList, APageThatDoesNotFitGoesOnBehindWhatDoes) {
  for (const std::string& id : {std::string("x"), std::string(1'000, '\n'), std::string(60'000, '\\')}) {
    ClientPage page{.clients = {}, .next = 1};
    for (std::uint64_t i = 2'000; i > 0; --i) page.clients.push_back(client(id, i));
    const ClientPage back = over_the_wire(page);
    ASSERT_GT(back.clients.size(), 2u);
    EXPECT_EQ(back.next, 2'001 - back.clients.size());
    EXPECT_EQ(back.clients.front().client_id, id.substr(0, kClientTextMax));
  }
}

TEST(ClientList, TextsAreCutBetweenCharacters) {
  std::string id(kClientTextMax - 1, 'x');
  id += "\xc3\xa4";
  EXPECT_EQ(over_the_wire({.clients = {client(id, 1)}}).clients[0].client_id, id.substr(0, kClientTextMax - 1));
}

TEST(ClientList, WhatMakesNoSenseIsLeftOut) {
  Message message(type::kClients);
  for (const char* line : {"", "a", "a\\0b"}) message.add("client", std::string_view(line));
  message.add("next", std::string_view("x"));
  const ClientPage page = client_page_from(message);
  EXPECT_TRUE(page.clients.empty());
  EXPECT_EQ(page.next, 0u);
}

}  // namespace
}  // namespace shoal::link
