#include "session/message.hpp"

#include <gtest/gtest.h>

namespace shoal::session {
namespace {

struct MessageTest : testing::Test {
  MessagePool pool;

  MessageRef make(std::size_t size) {
    const std::string payload(size - 8, 'p');
    return pool.make("a/b", base::as_bytes(payload), base::as_bytes("props"), 2, base::kNever);
  }
  std::vector<std::uint8_t> body(const Message& message) { return {message.body().begin(), message.body().end()}; }
};

TEST_F(MessageTest, LargeOnesCanLeaveMemory) {
  for (const std::size_t size : {Message::kLarge, std::size_t{5'000}, std::size_t{100'000}}) {
    const MessageRef message = make(size);
    ASSERT_TRUE(message->large());
    EXPECT_FALSE(message->absent());
    EXPECT_EQ(pool.bytes_now(), MessagePool::cost(size));
    message->set_stored(7);
    message->set_spot({3, 12'345});
    const std::vector<std::uint8_t> before = body(*message);
    EXPECT_FALSE(message->evictable()) << "somebody else has it";
    message->enter_queue();
    ASSERT_TRUE(message->evictable());
    message->evict(0x1234);
    EXPECT_TRUE(message->absent());
    EXPECT_FALSE(message->evictable());
    EXPECT_EQ(message->size(), size);
    EXPECT_EQ(message->qos(), 2);
    EXPECT_EQ(message->stored_number(), 7u);
    EXPECT_EQ(message->spot(), (Message::Spot{3, 12'345}));
    EXPECT_EQ(message->checksum(), 0x1234u);
    EXPECT_EQ(pool.bytes_now(), MessagePool::cost(size) - size);
    EXPECT_EQ(pool.absent_bytes_now(), size);
    EXPECT_EQ(pool.absent_count_now(), 1u);
    EXPECT_EQ(pool.stored_bytes_now(), size);
    message->bring_back(before);
    EXPECT_EQ(body(*message), before);
    EXPECT_EQ(message->topic(), "a/b");
    EXPECT_EQ(base::as_text(message->properties()), "props");
    EXPECT_EQ(pool.bytes_now(), MessagePool::cost(size));
    EXPECT_EQ(pool.absent_bytes_now(), 0u);
    // It ends while it is absent, or not.
    if (size == 5'000) message->evict(0);
  }
  EXPECT_EQ(pool.count_now(), 0u);
  EXPECT_EQ(pool.bytes_now(), 0u);
  EXPECT_EQ(pool.absent_count_now(), 0u);
  EXPECT_EQ(pool.absent_bytes_now(), 0u);
}

TEST_F(MessageTest, OnlyWhenNothingButQueuesRefersToIt) {
  const MessageRef message = make(1'000);
  message->enter_queue();
  EXPECT_FALSE(message->evictable()) << "it is not in the store";
  message->set_stored(1);
  EXPECT_TRUE(message->evictable());
  {
    const MessageRef other = message;
    EXPECT_FALSE(message->evictable());
    other->enter_queue();
    EXPECT_TRUE(message->evictable()) << "two queues";
    other->leave_queue();
  }
  EXPECT_TRUE(message->evictable());
  message->leave_queue();
  EXPECT_FALSE(message->evictable()) << "it is wanted";
}

TEST_F(MessageTest, SmallOnesStay) {
  const MessageRef message = make(Message::kLarge - 1);
  EXPECT_FALSE(message->large());
  message->set_stored(1);
  message->set_spot({1, 1});
  message->enter_queue();
  EXPECT_FALSE(message->evictable());
  EXPECT_FALSE(message->absent());
  EXPECT_FALSE(message->lost());
  EXPECT_EQ(message->payload().size(), Message::kLarge - 1 - 8);
}

TEST_F(MessageTest, ListsAreJoinedAndTellWhatIsAbsent) {
  MessageList list;
  MessageList other;
  std::vector<MessageRef> messages;
  for (int i = 0; i < 6; ++i) {
    messages.push_back(make(1'000));
    (i < 2 ? list : other).add(*messages.back());
  }
  list.append(other);
  EXPECT_TRUE(other.empty());
  list.append(other);
  EXPECT_EQ(list.bytes(UINT64_MAX), 6'000u);
  EXPECT_TRUE(list.absent(10, 10'000).empty());
  for (const int i : {1, 3, 4, 5}) {
    messages[static_cast<std::size_t>(i)]->set_stored(static_cast<std::uint64_t>(i));
    messages[static_cast<std::size_t>(i)]->enter_queue();
    messages[static_cast<std::size_t>(i)]->evict(0);
  }
  messages[4]->lose();
  const std::vector<MessageRef> absent = list.absent(10, 10'000);
  ASSERT_EQ(absent.size(), 3u);
  EXPECT_EQ(absent[2].get(), messages[5].get());
  EXPECT_EQ(list.absent(2, 10'000).size(), 2u);
  EXPECT_EQ(list.absent(10, 2'500).size(), 2u);
  EXPECT_EQ(list.absent(10, 1).size(), 1u);
  EXPECT_EQ(&list.front(), messages[0].get());
  list.drop_front();
  EXPECT_EQ(&list.front(), messages[1].get());
  MessageList moved(std::move(list));
  EXPECT_EQ(moved.bytes(UINT64_MAX), 5'000u);
}

}  // namespace
}  // namespace shoal::session
