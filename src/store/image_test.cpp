#include "store/image.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace shoal::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct ImageTest : testing::Test {
  Image image;

  template <class... Records>
  void apply(const Records&... records) {
    (image.apply(Record(records)), ...);
  }
  Image::Missing finish() { return image.finish(); }

  static SessionRecord session(std::uint64_t number) { return {number, "c", 60, 0, {}}; }
  static MessageRecord message(std::uint64_t number, std::string_view topic = "t") {
    return {number, 0, 1, topic, {}, base::as_bytes("p")};
  }
  static Queued queued(std::uint32_t sequence, std::uint64_t of_message, std::uint64_t to = 1) {
    return {to, sequence, {of_message, 1, false, 0, {}}};
  }
  static InFlight in_flight(std::uint16_t id, std::uint32_t order, std::uint64_t of_message) {
    return {1, id, order, false, {of_message, 2, false, 0, {}}};
  }

  // Messages in the queue of the only session: "5 6".
  std::string queue() const {
    std::string text;
    for (const auto& each : only().queue) text += (text.empty() ? "" : " ") + std::to_string(each.copy.message);
    return text;
  }
  // Messages in flight by packet identifier: "#1:5 #2:released".
  std::string flights() const {
    std::string text;
    for (const auto& each : only().flights) {
      text += (text.empty() ? "#" : " #") + std::to_string(each.id) + ':' +
              (each.released ? "released" : std::to_string(each.copy.message));
    }
    return text;
  }
  std::vector<std::uint64_t> retained() const {
    std::vector<std::uint64_t> numbers;
    for (const auto& each : image.retained()) numbers.push_back(each.message);
    return numbers;
  }
  const Image::Session& only() const {
    EXPECT_EQ(image.sessions().size(), 1u);
    return image.sessions().at(0);
  }
};

const Image::Missing kNone;

TEST_F(ImageTest, NothingComesToNothing) {
  EXPECT_EQ(finish(), kNone);
  EXPECT_THAT(image.sessions(), IsEmpty());
  EXPECT_THAT(image.groups(), IsEmpty());
  EXPECT_THAT(retained(), IsEmpty());
}

TEST_F(ImageTest, SessionIsAsItsLastRecordSays) {
  apply(message(9), SessionRecord{3, "old", 5, 77, WillRecord{9, 1, {}, false}},
        SessionRecord{3, "client", 60, 0, WillRecord{9, 30, 40, true}}, session(1));
  EXPECT_EQ(finish(), kNone);
  ASSERT_EQ(image.sessions().size(), 2u);
  EXPECT_EQ(image.sessions()[0].number, 1u) << "in the order of their numbers";
  const Image::Session& one = image.sessions()[1];
  EXPECT_EQ(one.number, 3u);
  EXPECT_EQ(one.client_id, "client");
  EXPECT_EQ(one.expiry_s, 60u);
  EXPECT_EQ(one.since, 0u);
  EXPECT_EQ(one.will, (WillRecord{9, 30, 40, true}));
  EXPECT_EQ(image.last_session(), 3u);
  EXPECT_EQ(image.last_message(), 9u);
}

TEST_F(ImageTest, SessionKeepsWhatItHasWhenItsRecordComesAgain) {
  apply(session(1), message(5), queued(0, 5), Taken{1, 8}, SubscriptionRecord{1, "a", 1, false, false, 0}, session(1));
  finish();
  EXPECT_EQ(queue(), "5");
  EXPECT_THAT(only().taken, ElementsAre(8));
  EXPECT_EQ(only().subscriptions.size(), 1u);
}

TEST_F(ImageTest, SubscriptionsAreReplacedAndGo) {
  apply(session(1), SubscriptionRecord{1, "a", 0, false, false, 0}, SubscriptionRecord{1, "b", 1, false, false, 0},
        SubscriptionRecord{1, "a", 2, true, true, 7}, SubscriptionGone{1, "b"}, SubscriptionGone{1, "never there"});
  finish();
  ASSERT_EQ(only().subscriptions.size(), 1u);
  EXPECT_EQ(only().subscriptions.at("a"), (SubscriptionRecord{1, "a", 2, true, true, 7}));
}

TEST_F(ImageTest, QueueIsInTheOrderOfSequences) {
  apply(session(1), message(5), message(6), message(7), queued(2, 7), queued(0, 5), queued(1, 6), Unqueued{1, 1});
  EXPECT_EQ(finish(), kNone);
  EXPECT_EQ(queue(), "5 7");
}

TEST_F(ImageTest, CopyIsAsItWasQueued) {
  const std::vector<std::uint32_t> ids = {3, 4};
  apply(session(1), message(5), GroupRecord{8, "$share/g/t"}, Queued{1, 0, {5, 2, true, 8, ids}});
  finish();
  const Image::Copy& copy = only().queue.at(0).copy;
  EXPECT_EQ(copy.message, 5u);
  EXPECT_EQ(copy.qos, 2);
  EXPECT_TRUE(copy.retain);
  EXPECT_EQ(copy.group, 8u);
  EXPECT_THAT(copy.ids, ElementsAre(3, 4));
}

TEST_F(ImageTest, OrderGoesOnWhereNumbersWrapAround) {
  apply(session(1), message(5), message(6), message(7), queued(0xffffffff, 5), queued(1, 7), queued(0, 6));
  apply(message(8), message(9), in_flight(1, 0, 9), in_flight(2, 0xfffffffe, 8));
  apply(GroupRecord{1, "$share/g/t"}, GroupQueued{1, 0, 6, false}, GroupQueued{1, 0xffffffff, 5, false});
  EXPECT_EQ(finish(), kNone);
  EXPECT_EQ(queue(), "5 6 7");
  EXPECT_EQ(flights(), "#2:8 #1:9");
  EXPECT_EQ(image.groups().at(0).queue.at(0).message, 5u);
}

TEST_F(ImageTest, MessageGoesFromTheQueueIntoFlightAndEnds) {
  apply(session(1), message(5), message(6), message(7), queued(0, 5), queued(1, 6), queued(2, 7));
  apply(Sent{1, 0, 10, 0}, Sent{1, 1, 11, 1}, Sent{1, 2, 12, 2}, Received{1, 11}, Finished{1, 10});
  EXPECT_EQ(finish(), kNone);
  EXPECT_EQ(queue(), "");
  EXPECT_EQ(flights(), "#11:released #12:7");
}

TEST_F(ImageTest, PacketIdentifierIsUsedAgain) {
  apply(session(1), message(5), message(6), in_flight(1, 0, 5), Finished{1, 1}, in_flight(1, 1, 6));
  finish();
  EXPECT_EQ(flights(), "#1:6");
}

TEST_F(ImageTest, ReleasedFlightNeedsNoMessage) {
  apply(session(1), InFlight{1, 4, 0, true, {}});
  EXPECT_EQ(finish(), kNone);
  EXPECT_EQ(flights(), "#4:released");
}

TEST_F(ImageTest, TakenIdentifiersAreReleased) {
  apply(session(1), Taken{1, 3}, Taken{1, 4}, Released{1, 3}, Released{1, 9}, Taken{1, 4});
  finish();
  EXPECT_THAT(only().taken, ElementsAre(4));
}

TEST_F(ImageTest, RetainedMessagesOfFormat1HaveTheTopicsOfTheirMessages) {
  apply(message(5, "a"), Retained{5, ""}, message(6, ""), Retained{6, ""}, Retained{7, ""});
  EXPECT_EQ(finish().messages, 2u) << "without a topic, and not there";
  EXPECT_THAT(retained(), ElementsAre(5));
}

TEST_F(ImageTest, LastRetainedMessageOfATopicCounts) {
  apply(message(5, "a"), Retained{5, "a"}, message(6, "a"), Retained{6, "a"}, message(7, "b"), Retained{7, "b"},
        message(8, "c"), Retained{8, "c"}, RetainedGone{"b"}, RetainedGone{"never there"});
  EXPECT_EQ(finish(), kNone);
  EXPECT_THAT(retained(), ElementsAre(6, 8));
}

TEST_F(ImageTest, MessagesMayBeSaidBehindWhoeverRefersToThem) {
  // The segment with these is gone: message(5, "a"), message(6, "b"), message(7, "b"). This was behind it:
  apply(Retained{5, "a"}, Retained{6, "b"}, Retained{7, "b"}, session(1), queued(0, 5), in_flight(3, 0, 8),
        GroupRecord{1, "$share/g/t"}, GroupQueued{1, 0, 5, false}, Finished{1, 3});
  // And these were live of it.
  apply(message(5, "a"), message(7, "b"));
  EXPECT_EQ(finish(), kNone);
  EXPECT_THAT(retained(), ElementsAre(5, 7));
  EXPECT_EQ(queue(), "5");
  EXPECT_EQ(image.groups().at(0).queue.size(), 1u);
  EXPECT_EQ(image.last_message(), 8u) << "its number is not used again";
}

TEST_F(ImageTest, GroupsHaveQueuesOfTheirOwn) {
  apply(message(5), message(6), GroupRecord{2, "$share/g/t"}, GroupQueued{2, 1, 6, true}, GroupQueued{2, 0, 5, false},
        GroupUnqueued{2, 0}, GroupUnqueued{2, 77}, GroupRecord{1, "$share/h/t"});
  EXPECT_EQ(finish(), kNone);
  ASSERT_EQ(image.groups().size(), 2u);
  EXPECT_EQ(image.groups()[0].filter, "$share/h/t");
  const Image::Group& group = image.groups()[1];
  EXPECT_EQ(group.filter, "$share/g/t");
  ASSERT_EQ(group.queue.size(), 1u);
  EXPECT_EQ(group.queue[0].message, 6u);
  EXPECT_TRUE(group.queue[0].retain);
  EXPECT_EQ(image.last_group(), 2u);
}

TEST_F(ImageTest, WhatWasWrittenAgainBehindIsThere) {
  // The segment with these is gone: session(1), message(5), queued(0, 5), Taken, the group. This was behind it:
  apply(Sent{1, 0, 7, 0}, Received{1, 7}, SubscriptionGone{1, "x"}, GroupUnqueued{3, 0}, Released{1, 2});
  // And this is what was live of it.
  apply(InFlight{1, 7, 0, true, {}}, Taken{1, 1}, message(5), queued(1, 5), GroupQueued{3, 1, 5, false});
  apply(session(1), GroupRecord{3, "$share/g/t"});
  EXPECT_EQ(finish(), kNone);
  EXPECT_EQ(queue(), "5");
  EXPECT_EQ(flights(), "#7:released");
  EXPECT_THAT(only().taken, ElementsAre(1));
  EXPECT_EQ(image.groups().at(0).queue.size(), 1u);
}

TEST_F(ImageTest, ToldTwiceIsToldOnce) {
  for (int i = 0; i < 2; ++i) {
    apply(session(1), message(5, "a"), message(6, "a"), queued(1, 5), in_flight(9, 3, 6), Taken{1, 2}, Retained{5, "a"},
          GroupRecord{3, "$share/g/t"}, GroupQueued{3, 0, 5, false});
  }
  EXPECT_EQ(finish(), kNone);
  EXPECT_EQ(queue(), "5");
  EXPECT_EQ(flights(), "#9:6");
  EXPECT_EQ(image.groups().at(0).queue.size(), 1u);
  EXPECT_THAT(retained(), ElementsAre(5));
}

TEST_F(ImageTest, TellsWhichSegmentThingsNeed) {
  const auto in = [&](std::uint64_t segment, const Record& record) { image.apply(record, segment); };
  in(2, message(5, "a"));
  in(2, queued(0, 5));
  in(3, queued(1, 5));
  in(4, session(1));
  in(5, session(1));
  in(5, SubscriptionRecord{1, "a", 0, false, false, 0});
  in(5, Sent{1, 0, 7, 0});
  in(6, Received{1, 7});
  in(6, message(6, "b"));
  in(6, Retained{6, "b"});
  in(7, GroupRecord{1, "$share/g/t"});
  in(8, GroupQueued{1, 0, 5, false});
  EXPECT_EQ(finish(), kNone);
  EXPECT_EQ(image.message_segment(5), 2u);
  EXPECT_EQ(only().first_segment, 4u) << "the oldest of its own";
  EXPECT_EQ(only().queue.at(0).segment, 3u);
  EXPECT_EQ(only().flights.at(0).segment, 2u) << "without what it was there is nothing to be sent";
  ASSERT_EQ(image.retained().size(), 1u);
  EXPECT_EQ(image.retained()[0].segment, 6u);
  EXPECT_EQ(image.groups().at(0).segment, 7u);
  EXPECT_EQ(image.groups().at(0).queue.at(0).segment, 8u);
}

TEST_F(ImageTest, WhatIsToldAgainNeedsTheLaterSegmentOnly) {
  const auto in = [&](std::uint64_t segment, const Record& record) { image.apply(record, segment); };
  for (const std::uint64_t segment : {1, 9}) {
    in(segment, message(5, "a"));
    in(segment, queued(0, 5));
    in(segment, in_flight(3, 0, 5));
    in(segment, Retained{5, "a"});
    in(segment, GroupQueued{1, 0, 5, false});
    in(segment, GroupRecord{1, "$share/g/t"});
  }
  in(9, session(1));
  in(10, Alive{});
  finish();
  EXPECT_EQ(image.message_segment(5), 9u);
  EXPECT_EQ(only().first_segment, 9u);
  EXPECT_EQ(only().queue.at(0).segment, 9u);
  EXPECT_EQ(only().flights.at(0).segment, 9u);
  EXPECT_EQ(image.retained().at(0).segment, 9u);
  EXPECT_EQ(image.groups().at(0).segment, 9u);
  EXPECT_EQ(image.groups().at(0).queue.at(0).segment, 9u);
}

TEST_F(ImageTest, EndedSessionStaysEnded) {
  apply(session(1), message(5), queued(0, 5), SessionGone{1}, queued(1, 5), session(1),
        SubscriptionRecord{1, "a", 0, false, false, 0});
  EXPECT_EQ(finish(), kNone);
  EXPECT_THAT(image.sessions(), IsEmpty());
  EXPECT_EQ(image.last_session(), 1u) << "its number is not used again";
}

TEST_F(ImageTest, EndOfAGroupStaysItsEnd) {
  apply(GroupRecord{4, "$share/g/t"}, message(5), GroupGone{4}, GroupQueued{4, 0, 5, false},
        GroupRecord{4, "$share/g/t"});
  EXPECT_EQ(finish(), kNone);
  EXPECT_THAT(image.groups(), IsEmpty());
  EXPECT_EQ(image.last_group(), 4u);
}

TEST_F(ImageTest, EndsOfWhatIsNotThereChangeNothing) {
  apply(SessionGone{7}, GroupGone{8}, SubscriptionGone{1, "a"}, Unqueued{1, 0}, Sent{1, 0, 1, 0}, Received{1, 1},
        Finished{1, 1}, Released{1, 1}, RetainedGone{"t"}, GroupUnqueued{2, 0});
  EXPECT_EQ(finish(), kNone);
  EXPECT_THAT(image.sessions(), IsEmpty());
  EXPECT_THAT(image.groups(), IsEmpty());
  EXPECT_EQ(image.last_session(), 7u);
  EXPECT_EQ(image.last_group(), 8u);
}

TEST_F(ImageTest, WhatReferstoAMissingMessageIsCountedAndLeftOut) {
  apply(SessionRecord{1, "c", 60, 0, WillRecord{90, 0, {}, false}}, message(5), queued(0, 91), queued(1, 5),
        in_flight(1, 0, 92), in_flight(2, 1, 5), Retained{93, "a"}, Retained{5, "not its topic"},
        GroupRecord{1, "$share/g/t"}, GroupQueued{1, 0, 94, false}, GroupQueued{1, 1, 5, false});
  EXPECT_EQ(finish(), (Image::Missing{.sessions = 0, .messages = 6, .groups = 0}));
  EXPECT_FALSE(only().will);
  EXPECT_EQ(queue(), "5");
  EXPECT_EQ(flights(), "#2:5");
  EXPECT_THAT(retained(), IsEmpty());
  EXPECT_EQ(image.groups().at(0).queue.size(), 1u);
}

TEST_F(ImageTest, WhatBelongsToAMissingSessionOrGroupIsCountedAndLeftOut) {
  apply(message(5), queued(0, 5, 1), Taken{2, 1}, SubscriptionRecord{3, "a", 0, false, false, 0},
        InFlight{4, 1, 0, true, {}}, GroupQueued{1, 0, 5, false});
  EXPECT_EQ(finish(), (Image::Missing{.sessions = 4, .messages = 0, .groups = 1}));
  EXPECT_EQ(finish().all(), 0u) << "only once";
  EXPECT_THAT(image.sessions(), IsEmpty());
  EXPECT_THAT(image.groups(), IsEmpty());
}

TEST_F(ImageTest, HighestGroupIsFoundWhereNumbersWrapAroundAndWhereTheyAreLarge) {
  apply(GroupRecord{0xffffffff, "$share/g/t"});
  EXPECT_EQ(image.last_group(), 0xffffffffu);
  apply(GroupRecord{2, "$share/h/t"}, GroupRecord{0xfffffffe, "$share/i/t"});
  EXPECT_EQ(image.last_group(), 2u);
}

TEST_F(ImageTest, RecordsInFrontOfWhatIsNoneCount) {
  RecordWriter writer;
  writer.put(session(1));
  std::vector<std::uint8_t> bytes(writer.bytes().begin(), writer.bytes().end());
  EXPECT_TRUE(image.apply_all(bytes));
  bytes.push_back(0xff);
  EXPECT_FALSE(image.apply_all(bytes));
  finish();
  EXPECT_EQ(only().client_id, "c");
}

}  // namespace
}  // namespace shoal::store
