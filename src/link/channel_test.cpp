#include "link/channel.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

namespace shoal::link {
namespace {

struct Ends {
  Channel a;
  Channel b;
};

Ends connected() {
  auto pair = Channel::pair();
  EXPECT_TRUE(pair.ok());
  return {Channel(std::move(pair->first)), Channel(std::move(pair->second))};
}

base::UniqueFd some_file() { return base::UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

TEST(Channel, HangingUpShowsBeforeTheLastWordsAreReceived) {
  auto pair = Channel::pair();
  ASSERT_TRUE(pair.ok());
  Channel stays(std::move(pair->first));
  {
    Channel goes(std::move(pair->second));
    ASSERT_TRUE(goes.send(Message("stats")).ok());
    EXPECT_FALSE(stays.hung_up());
  }
  EXPECT_TRUE(stays.hung_up());
  const auto last = stays.receive();
  ASSERT_TRUE(last.ok() && last->has_value());
  EXPECT_EQ((*last)->message.type(), "stats");
  EXPECT_FALSE(stays.receive().ok());
}

TEST(Channel, CarriesMessagesAndDescriptorsInOrder) {
  auto [a, b] = connected();
  std::vector<base::UniqueFd> fds;
  fds.push_back(some_file());
  fds.push_back(some_file());
  ASSERT_TRUE(a.send(Message("start").add("name", std::string_view("lab")), std::move(fds)).ok());
  ASSERT_TRUE(a.send(Message("stats")).ok());

  auto first = b.receive();
  ASSERT_TRUE(first.ok() && first->has_value());
  EXPECT_EQ((*first)->message.text("name"), "lab");
  ASSERT_EQ((*first)->fds.size(), 2u);
  struct stat sent {
  }, got{};
  ::stat("/dev/null", &sent);
  ASSERT_EQ(::fstat((*first)->fds[1].get(), &got), 0);
  EXPECT_EQ(sent.st_rdev, got.st_rdev);
  EXPECT_NE(::fcntl((*first)->fds[0].get(), F_GETFD) & FD_CLOEXEC, 0);

  auto second = b.receive();
  ASSERT_TRUE(second.ok() && second->has_value());
  EXPECT_EQ((*second)->message.type(), "stats");
  auto nothing = b.receive();
  ASSERT_TRUE(nothing.ok());
  EXPECT_FALSE(nothing->has_value());
}

TEST(Channel, QueuesWhatTheKernelDoesNotTake) {
  auto [a, b] = connected();
  unsigned sent = 0;
  for (; !a.waiting(); ++sent) ASSERT_TRUE(a.send(Message("n").add("n", sent)).ok());
  for (unsigned more = 0; more < 100; ++more, ++sent) {
    std::vector<base::UniqueFd> fds;
    fds.push_back(some_file());
    ASSERT_TRUE(a.send(Message("n").add("n", sent), std::move(fds)).ok());
  }
  for (unsigned n = 0; n < sent; ++n) {
    auto got = b.receive();
    ASSERT_TRUE(got.ok());
    if (!got->has_value()) {
      ASSERT_TRUE(a.flush().ok());
      got = b.receive();
      ASSERT_TRUE(got.ok() && got->has_value());
    }
    EXPECT_EQ((*got)->message.number("n"), n);
  }
  EXPECT_FALSE(a.waiting());
}

TEST(Channel, TellsThatTheOtherEndIsGoneAfterWhatItSaid) {
  auto pair = Channel::pair();
  Channel b(std::move(pair->second));
  {
    Channel a(std::move(pair->first));
    ASSERT_TRUE(a.send(Message("hello")).ok());
  }
  auto last = b.receive();
  ASSERT_TRUE(last.ok() && last->has_value());
  auto end = b.receive();
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().code, ErrorCode::closed);
  const auto send = b.send(Message("x"));
  ASSERT_FALSE(send.ok());
  EXPECT_EQ(send.error().code, ErrorCode::closed);
}

TEST(Channel, SkipsGarbageAndClosesItsDescriptors) {
  auto pair = Channel::pair();
  const int raw = pair->first.get();
  Channel b(std::move(pair->second));
  const std::string huge(100'000, 'x');
  for (const std::string& bytes : {std::string("\xff\x00\x01", 3), std::string("start"), huge}) {
    ASSERT_EQ(::send(raw, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }
  ASSERT_EQ(::send(raw, "ok\n", 3, 0), 3);
  auto got = b.receive();
  ASSERT_TRUE(got.ok() && got->has_value());
  EXPECT_EQ((*got)->message.type(), "ok");
}

TEST(Channel, RefusesWhatIsTooLarge) {
  auto [a, b] = connected();
  const auto sent = a.send(Message("x").add("v", std::string_view(std::string(kMessageBytesMax, 'v'))));
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(sent.error().code, ErrorCode::resource_exhausted);
}

}  // namespace
}  // namespace shoal::link
