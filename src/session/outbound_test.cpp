#include "session/outbound.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <string>

#include "conformance/covers.hpp"
#include "mqtt/decode.hpp"
#include "session/session.hpp"

namespace shoal::session {
namespace {

using mqtt::PacketType;
using mqtt::ReasonCode;
using mqtt::Version;

// Messages that wait outside of the session.
struct FakeSource final : Source {
  struct Held {
    MessageRef message;
    Copy copy;
  };

  bool waiting() const override { return !held.empty(); }
  bool front(Item& item, Time) override {
    if (held.empty()) return false;
    item = {&held.front().message, held.front().copy};
    return true;
  }
  void pop() override { held.pop_front(); }

  std::deque<Held> held;
};

struct OutboundTest : testing::Test {
  FakeSource retained_source;
  FakeSource shared_source;
  base::ChunkPool chunks;
  MessagePool pool;
  QueueBudget budget;
  Publication publication{pool};
  Publication scratch{pool};
  Link link{chunks};
  Session session{"c", budget};
  Time now{base::seconds(100)};

  void attach() { session.attach(link, 100); }

  Outcome deliver(std::string_view payload, std::uint8_t qos, Time expires = base::kNever) {
    publication.start("t", base::as_bytes(payload), {}, qos, expires, now);
    const Outcome outcome = session.deliver(publication, {qos, false, {}});
    publication.finish();
    return outcome;
  }
  void retained(std::string_view payload, std::uint8_t qos) {
    session.set_retained(&retained_source);
    retained_source.held.push_back({pool.make("t", base::as_bytes(payload), {}, qos, base::kNever), {qos, true, {}}});
  }
  void wait_shared(std::string_view payload, std::uint8_t qos) {
    session.set_shared(&shared_source);
    shared_source.held.push_back({pool.make("t", base::as_bytes(payload), {}, qos, base::kNever), {qos, false, {}, 7}});
  }
  Outcome deliver_shared(std::string_view payload, std::uint8_t qos, std::uint32_t group) {
    publication.start("t", base::as_bytes(payload), {}, qos, base::kNever, now);
    const Outcome outcome = session.deliver(publication, {qos, false, {}, group});
    publication.finish();
    return outcome;
  }
  bool ack(PacketType type, std::uint16_t id, ReasonCode code = ReasonCode::success) {
    return session.acknowledge({type, id, code, {}}, now);
  }
  bool pump() { return session.pump(scratch, now); }

  // What was written since the last call: "a q0|b q1 #1 dup|PUBREL #2|".
  std::string written() {
    std::vector<std::uint8_t> bytes;
    while (!link.out.empty()) {
      mqtt::Bytes piece;
      EXPECT_EQ(link.out.peek(&piece, 1), 1u);
      bytes.insert(bytes.end(), piece.begin(), piece.end());
      link.out.consume(piece.size());
    }
    std::string text;
    mqtt::Bytes rest = bytes;
    for (mqtt::Frame frame; mqtt::cut_frame(rest, frame) == mqtt::FrameStatus::complete;
         rest = rest.subspan(frame.size)) {
      const auto packet = mqtt::decode(frame, link.version);
      EXPECT_TRUE(packet.ok());
      if (const auto* publish = std::get_if<mqtt::Publish>(&*packet)) {
        text += std::string(base::as_text(publish->payload)) + " q" + std::to_string(publish->qos);
        if (publish->id != 0) text += " #" + std::to_string(publish->id);
        if (publish->dup) text += " dup";
        if (publish->retain) text += " retain";
        if (publish->properties.has(mqtt::PropertyId::message_expiry_interval)) {
          text += " e" + std::to_string(publish->properties.number(mqtt::PropertyId::message_expiry_interval));
        }
      } else {
        const auto& other = std::get<mqtt::Ack>(*packet);
        text += std::string(mqtt::to_string(other.type)) + " #" + std::to_string(other.id);
        if (other.code != ReasonCode::success) text += " " + std::string(mqtt::to_string(other.code));
      }
      text += "|";
    }
    EXPECT_TRUE(rest.empty());
    return text;
  }
};

TEST_F(OutboundTest, Online) {
  covers_v5("MQTT-4.3.1-1 MQTT-4.3.2-2 MQTT-4.3.3-2");
  covers_v311("MQTT-4.3.1-1");
  attach();
  EXPECT_EQ(deliver("a", 0), Outcome::sent);
  EXPECT_EQ(deliver("b", 1), Outcome::sent);
  EXPECT_EQ(deliver("c", 2), Outcome::sent);
  EXPECT_EQ(written(), "a q0|b q1 #1|c q2 #2|");
  EXPECT_TRUE(ack(PacketType::puback, 1));
  EXPECT_TRUE(ack(PacketType::pubrec, 2));
  EXPECT_EQ(written(), "PUBREL #2|");
  EXPECT_EQ(session.outbound().inflight(), 1u);
  EXPECT_TRUE(ack(PacketType::pubcomp, 2));
  EXPECT_TRUE(session.outbound().empty());
}

TEST_F(OutboundTest, AcknowledgementsOfNothing) {
  attach();
  deliver("a", 1);
  deliver("b", 2);
  written();
  EXPECT_FALSE(ack(PacketType::puback, 2));
  EXPECT_FALSE(ack(PacketType::pubcomp, 2));
  EXPECT_TRUE(ack(PacketType::puback, 99)) << "not in use: no error";
  EXPECT_EQ(written(), "");
  EXPECT_FALSE(ack(PacketType::pubrec, 1));  // of QoS 1
  EXPECT_EQ(written(), "");
  EXPECT_TRUE(ack(PacketType::pubrec, 7));
  EXPECT_EQ(written(), "PUBREL #7 packet identifier not found|");
  EXPECT_EQ(session.outbound().inflight(), 2u);
  EXPECT_TRUE(ack(PacketType::pubrec, 2));
  EXPECT_TRUE(ack(PacketType::pubrec, 2));  // once more: PUBREL once more
  EXPECT_EQ(written(), "PUBREL #2|PUBREL #2|");
}

TEST_F(OutboundTest, RefusedInPubrec) {
  covers_v5("MQTT-4.4.0-2");
  attach();
  deliver("a", 2);
  written();
  EXPECT_TRUE(ack(PacketType::pubrec, 1, ReasonCode::quota_exceeded));
  EXPECT_EQ(written(), "");
  EXPECT_TRUE(session.outbound().empty());
}

TEST_F(OutboundTest, ReceiveMaximum) {
  covers_v5("MQTT-4.9.0-1 MQTT-4.9.0-2");
  link.receive_maximum = 2;
  attach();
  for (const char* text : {"a", "b", "c", "d"}) deliver(text, 2);
  EXPECT_EQ(deliver("zero", 0), Outcome::sent);
  EXPECT_EQ(written(), "a q2 #1|b q2 #2|zero q0|");
  EXPECT_TRUE(ack(PacketType::pubrec, 1));
  EXPECT_FALSE(pump());  // PUBREC does not open the window, PUBCOMP does (4.9)
  EXPECT_EQ(written(), "PUBREL #1|");
  EXPECT_TRUE(ack(PacketType::pubcomp, 1));
  EXPECT_TRUE(pump());
  EXPECT_EQ(written(), "c q2 #3|");
  EXPECT_EQ(session.outbound().queued(), 1u);
}

TEST_F(OutboundTest, OwnWindow) {
  budget.inflight_max = 1;
  attach();
  EXPECT_EQ(deliver("a", 1), Outcome::sent);
  EXPECT_EQ(deliver("b", 1), Outcome::queued);
  EXPECT_TRUE(ack(PacketType::puback, 1));
  EXPECT_TRUE(pump());
  EXPECT_EQ(written(), "a q1 #1|b q1 #2|");
}

TEST_F(OutboundTest, WhatRestedGoesOnAsBefore) {
  budget.inflight_max = 1;
  attach();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(deliver("a", 1), Outcome::sent);
    EXPECT_EQ(deliver("b", 1), Outcome::queued);
    session.rest();
    session.rest();
    EXPECT_EQ(session.outbound().queued(), 1u);
    EXPECT_EQ(session.outbound().inflight(), 1u);
    EXPECT_TRUE(ack(PacketType::puback, 1));
    EXPECT_TRUE(pump());
    EXPECT_EQ(written(), "a q1 #1|b q1 #2|");
    EXPECT_TRUE(ack(PacketType::puback, 2));
    session.rest();
    session.rest();  // nothing was used since: identifiers begin again
  }
}

TEST_F(OutboundTest, WhatNeedsNotBeSentAgainIsForgottenByRest) {
  attach();
  deliver("a", 1);
  deliver("b", 1);
  session.detach();
  written();
  // The client cannot take anything, and answers what it got on its last connection.
  link.out_bytes_max = 0;
  attach();
  EXPECT_FALSE(pump());
  EXPECT_TRUE(ack(PacketType::puback, 1));
  EXPECT_TRUE(ack(PacketType::puback, 2));
  session.rest();
  session.rest();
  link.out_bytes_max = 1024;
  EXPECT_FALSE(pump());
  EXPECT_EQ(deliver("c", 1), Outcome::sent);
  EXPECT_EQ(written(), "c q1 #1|");
}

TEST_F(OutboundTest, SlowReader) {
  link.out_bytes_max = 10;
  attach();
  EXPECT_EQ(deliver("0123456789", 0), Outcome::sent);
  EXPECT_EQ(deliver("b", 0), Outcome::dropped);
  EXPECT_EQ(deliver("c", 1), Outcome::queued);
  EXPECT_EQ(budget.dropped_slow, 1u);
  EXPECT_EQ(written(), "0123456789 q0|");
  EXPECT_TRUE(pump());
  EXPECT_EQ(written(), "c q1 #1|");
}

TEST_F(OutboundTest, ResumeSendsAgainInOrder) {
  covers_v5("MQTT-4.4.0-1 MQTT-4.6.0-1 MQTT-4.6.0-4");
  covers_v311("MQTT-4.4.0-1 MQTT-4.6.0-1 MQTT-4.6.0-4");
  attach();
  for (const char* text : {"a", "b", "c"}) deliver(text, 2);
  deliver("d", 1);
  ack(PacketType::pubrec, 1);
  ack(PacketType::pubrec, 3);
  written();
  session.detach();
  EXPECT_EQ(deliver("zero", 0), Outcome::dropped);
  EXPECT_EQ(deliver("e", 1), Outcome::queued);
  attach();
  EXPECT_TRUE(pump());
  EXPECT_EQ(written(), "PUBREL #1|b q2 #2 dup|PUBREL #3|d q1 #4 dup|e q1 #5|");
}

TEST_F(OutboundTest, ResumeKeepsToTheReceiveMaximum) {
  attach();
  for (const char* text : {"a", "b", "c"}) deliver(text, 1);
  written();
  session.detach();
  link.receive_maximum = 2;
  attach();
  pump();
  EXPECT_EQ(written(), "a q1 #1 dup|b q1 #2 dup|");
  EXPECT_EQ(deliver("d", 1), Outcome::queued);
  ack(PacketType::puback, 1);
  pump();
  EXPECT_EQ(written(), "c q1 #3 dup|");
  ack(PacketType::puback, 2);
  pump();
  EXPECT_EQ(written(), "d q1 #4|");
}

TEST_F(OutboundTest, AnAnswerToTheLastConnectionsMessageCounts) {
  attach();
  for (const char* payload : {"a", "b", "c"}) deliver(payload, 2);
  EXPECT_EQ(written(), "a q2 #1|b q2 #2|c q2 #3|");
  session.detach();
  link.receive_maximum = 1;
  attach();
  pump();
  EXPECT_EQ(written(), "a q2 #1 dup|");
  EXPECT_TRUE(ack(PacketType::pubrec, 2));  // it has "b": no second copy of it
  EXPECT_TRUE(ack(PacketType::pubcomp, 2));
  EXPECT_EQ(written(), "PUBREL #2|");
  EXPECT_TRUE(ack(PacketType::pubrec, 1));
  EXPECT_TRUE(ack(PacketType::pubcomp, 1));
  pump();
  EXPECT_EQ(written(), "PUBREL #1|c q2 #3 dup|");
}

TEST_F(OutboundTest, Expiry) {
  covers_v5("MQTT-3.3.2-5 MQTT-3.3.2-6");
  attach();
  EXPECT_EQ(deliver("a", 1, now + base::milliseconds(2500)), Outcome::sent);
  session.detach();
  EXPECT_EQ(deliver("b", 1, now + base::seconds(9)), Outcome::queued);
  EXPECT_EQ(deliver("c", 1, now + base::seconds(2)), Outcome::queued);
  EXPECT_EQ(written(), "a q1 #1 e3|");
  now += base::milliseconds(2600);
  attach();
  pump();
  // What was on its way is sent again, what was not is dropped (MQTT-3.3.2-5).
  EXPECT_EQ(written(), "a q1 #1 dup e1|b q1 #2 e7|");
  EXPECT_EQ(budget.expired, 1u);
}

TEST_F(OutboundTest, WhatWasSentAtQos2DoesNotExpire) {
  covers_v5("MQTT-4.3.3-7");
  attach();
  for (const char* payload : {"a", "b"}) deliver(payload, 2, now + base::seconds(2));
  ack(PacketType::pubrec, 1);
  written();
  session.detach();
  now += base::seconds(100);
  attach();
  pump();
  EXPECT_EQ(written(), "PUBREL #1|b q2 #2 dup e1|");
  EXPECT_TRUE(ack(PacketType::pubcomp, 1));
  EXPECT_TRUE(ack(PacketType::pubrec, 2));
  EXPECT_EQ(written(), "PUBREL #2|");
  EXPECT_EQ(budget.expired, 0u);
}

// A client that took the message at QoS 2 keeps its identifier until PUBREL.
TEST_F(OutboundTest, TooLargeForTheNextConnection) {
  covers_v5("MQTT-3.1.2-24 MQTT-3.1.2-25");
  attach();
  deliver(std::string(100, 'x'), 2);
  deliver(std::string(100, 'y'), 1);
  deliver("z", 1);
  written();
  session.detach();
  link.packet_size_max = 50;
  attach();
  pump();
  EXPECT_EQ(written(), "PUBREL #1|z q1 #3 dup|");
  EXPECT_EQ(budget.dropped_size, 2u);
  EXPECT_TRUE(ack(PacketType::pubcomp, 1));
  EXPECT_EQ(deliver(std::string(100, 'x'), 1), Outcome::dropped);
  EXPECT_EQ(session.outbound().inflight(), 1u);
}

TEST_F(OutboundTest, QueueFullDropsNew) {
  budget.messages_max = 2;
  EXPECT_EQ(deliver("a", 1), Outcome::queued);
  EXPECT_EQ(deliver("b", 1), Outcome::queued);
  EXPECT_EQ(deliver("c", 1), Outcome::dropped);
  attach();
  pump();
  EXPECT_EQ(written(), "a q1 #1|b q1 #2|");
  EXPECT_EQ(budget.dropped_full, 1u);
}

// What is asked for is what is added: with several identifiers there is a block besides.
TEST_F(OutboundTest, TheQueuesBoundCountsIdentifiersAsTheyAreKept) {
  const std::uint32_t ids[] = {1, 2, 3};
  publication.start("t", base::as_bytes("x"), {}, 1, base::kNever, now);
  budget.bytes_max = 2 + sizeof ids;  // topic and payload, but not the count of identifiers
  EXPECT_EQ(session.deliver(publication, {1, false, ids}), Outcome::dropped);
  budget.bytes_max += sizeof(std::uint32_t);
  EXPECT_EQ(session.deliver(publication, {1, false, ids}), Outcome::queued);
  EXPECT_EQ(session.outbound().queued_bytes(), budget.bytes_max);
}

TEST_F(OutboundTest, QueueFullDropsOld) {
  budget.when_full = QueueFull::drop_old;
  budget.bytes_max = 8;  // topic and payload: 2 each
  for (const char* text : {"a", "b", "c", "d", "e"}) EXPECT_EQ(deliver(text, 1), Outcome::queued);
  EXPECT_EQ(deliver("123456789", 1), Outcome::dropped) << "never fits: no reason to empty the queue";
  attach();
  pump();
  EXPECT_EQ(budget.dropped_full, 2u);
  EXPECT_EQ(written(), "b q1 #1|c q1 #2|d q1 #3|e q1 #4|");
  EXPECT_EQ(budget.bytes_now, 0u);
}

TEST_F(OutboundTest, QueueFullDisconnects) {
  budget.when_full = QueueFull::disconnect;
  budget.messages_max = 1;
  EXPECT_EQ(deliver("a", 1), Outcome::queued);
  EXPECT_EQ(deliver("b", 1), Outcome::dropped) << "offline";
  link.receive_maximum = 1;
  attach();
  pump();
  EXPECT_EQ(deliver("c", 1), Outcome::queued);
  EXPECT_EQ(deliver("d", 1), Outcome::disconnect);
}

// Live messages stay behind the retained ones that wait, so that nobody sees an older value after a newer.
TEST_F(OutboundTest, RetainedFirst) {
  link.out_bytes_max = 1;
  attach();
  retained("r1", 0);
  retained("r2", 1);
  EXPECT_EQ(deliver("zero", 0), Outcome::queued);
  EXPECT_EQ(deliver("one", 1), Outcome::queued);
  std::string all;
  while (pump()) all += written();
  EXPECT_EQ(all, "r1 q0 retain|r2 q1 #1 retain|zero q0|one q1 #2|");
  EXPECT_EQ(budget.messages_now, 0u);
  EXPECT_EQ(budget.bytes_now, 0u);
}

// What waits for a shared subscription comes last and takes the window like everything else.
TEST_F(OutboundTest, SharedLast) {
  link.receive_maximum = 2;
  attach();
  wait_shared("s1", 1);
  wait_shared("s2", 1);
  EXPECT_TRUE(session.can_take(1));
  deliver("own", 1);
  pump();
  EXPECT_EQ(written(), "own q1 #1|s1 q1 #2|");
  EXPECT_FALSE(session.can_take(1));
  EXPECT_TRUE(session.can_take(0));
  deliver("own2", 1);
  ack(PacketType::puback, 2);
  pump();
  EXPECT_EQ(written(), "own2 q1 #3|");
  ack(PacketType::puback, 3);
  pump();
  EXPECT_EQ(written(), "s2 q1 #4|");
  link.out_bytes_max = 0;
  EXPECT_FALSE(session.can_take(0));
  session.detach();
  EXPECT_FALSE(session.can_take(0));
}

// 4.8.2: at QoS 1 another member may have what was not acknowledged, also of a session that ends with
// its connection. At QoS 2 nobody (MQTT-4.8.2-5).
TEST_F(OutboundTest, UnfinishedShared) {
  session.attach(link, 0);
  deliver_shared("a", 1, 7);
  deliver_shared("b", 2, 7);
  deliver("ordinary", 1);
  deliver_shared("c", 1, 8);
  deliver_shared("d", 1, 7);
  ack(PacketType::puback, 1);
  deliver_shared("e", 1, 9);
  session.detach();
  std::string text;
  for (const auto& left : session.outbound().unfinished()) {
    text += std::string(base::as_text(left.message->payload())) + std::to_string(left.group) + "|";
  }
  EXPECT_EQ(text, "c8|d7|e9|");
}

// MQTT-3.1.2-26: the alias comes with the topic first, then alone; never above the client's maximum.
TEST_F(OutboundTest, TopicAliases) {
  link.aliases = std::make_unique<SentAliases>(1);
  attach();
  const auto sizes = [&] {
    std::string text;
    mqtt::Bytes piece;
    EXPECT_EQ(link.out.peek(&piece, 1), 1u);
    mqtt::Frame frame;
    EXPECT_EQ(mqtt::cut_frame(piece, frame), mqtt::FrameStatus::complete);
    const auto packet = mqtt::decode_publish(frame, Version::v5);
    EXPECT_TRUE(packet.ok());
    text = std::string(packet->topic) + "=" + std::to_string(packet->properties.number(mqtt::PropertyId::topic_alias));
    link.out.clear();
    return text;
  };
  deliver("1", 0);
  EXPECT_EQ(sizes(), "t=1");
  deliver("2", 1);
  EXPECT_EQ(sizes(), "=1");
  publication.start("u", {}, {}, 0, base::kNever, now);
  session.deliver(publication, {});
  EXPECT_EQ(sizes(), "u=1");
  deliver("3", 0);
  EXPECT_EQ(sizes(), "t=1");
  // Nothing is introduced by a packet that is too large for it, or that is not sent.
  link.packet_size_max = 6;
  publication.start("u", {}, {}, 0, base::kNever, now);
  session.deliver(publication, {});
  EXPECT_EQ(sizes(), "u=0");
  EXPECT_EQ(deliver("a long one", 0), Outcome::dropped);
  link.packet_size_max = 100;
  deliver("4", 0);
  EXPECT_EQ(sizes(), "=1");
}

TEST_F(OutboundTest, BudgetIsGivenBack) {
  {
    Session other("other", budget);
    publication.start("t", base::as_bytes("x"), {}, 1, base::kNever, now);
    other.deliver(publication, {1, false, {}});
    publication.finish();
    EXPECT_EQ(budget.messages_now, 1u);
    EXPECT_EQ(budget.bytes_now, 2u);
  }
  EXPECT_EQ(budget.messages_now, 0u);
  EXPECT_EQ(budget.bytes_now, 0u);
}

TEST_F(OutboundTest, EveryPacketIdentifier) {
  covers_v5("MQTT-2.2.1-4");
  covers_v311("MQTT-2.3.1-4");
  budget.inflight_max = 65'535;
  link.out_bytes_max = 100'000'000;
  budget.messages_max = 10;
  attach();
  for (int i = 0; i < 65'535; ++i) ASSERT_EQ(deliver("x", 1), Outcome::sent);
  EXPECT_EQ(deliver("x", 1), Outcome::queued);
  for (const std::uint16_t id : {1, 65'535, 300}) EXPECT_TRUE(ack(PacketType::puback, id));
  written();
  pump();
  EXPECT_EQ(written(), "x q1 #1|");
  deliver("y", 1);
  EXPECT_EQ(written(), "y q1 #300|");
}

}  // namespace
}  // namespace shoal::session
