#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "store/record.hpp"

namespace shoal::store {

/// What all records of a log come to: an instance's state as it has to be made again. Texts and bytes refer to what
/// was read. A value; pure.
///
/// `apply` the records in their order, then `finish`.
class Image {
 public:
  struct Copy {
    std::uint64_t message = 0;
    std::uint32_t group = 0;
    std::uint8_t qos = 0;
    bool retain = false;
    std::vector<std::uint32_t> ids;
  };
  struct Waiting {
    std::uint32_t sequence = 0;
    std::uint64_t segment = 0;  ///< where that was said
    Copy copy;
  };
  struct Flight {
    std::uint16_t id = 0;
    std::uint32_t order = 0;
    bool released = false;
    std::uint64_t segment = 0;
    Copy copy;
  };
  struct Session {
    std::uint64_t number = 0;
    std::uint64_t first_segment = 0;  ///< oldest with something of it, queue and flights aside
    bool known = false;               ///< its own record was there
    std::string_view client_id;
    std::uint32_t expiry_s = 0;
    WallMs since = 0;
    std::optional<WillRecord> will;
    std::map<std::string_view, SubscriptionRecord> subscriptions;  ///< by filter
    std::vector<Waiting> queue;                                    ///< in order, after `finish`
    std::vector<Flight> flights;                                   ///< in order, after `finish`
    std::set<std::uint16_t> taken;
  };
  struct GroupWaiting {
    std::uint32_t sequence = 0;
    std::uint64_t message = 0;
    bool retain = false;
    std::uint64_t segment = 0;
  };
  struct Group {
    std::uint32_t number = 0;
    std::uint64_t segment = 0;
    bool known = false;
    std::string_view filter;
    std::vector<GroupWaiting> queue;  ///< in order, after `finish`
  };

  /// What was referred to and is not there: the log was damaged.
  struct Missing {
    std::uint64_t sessions = 0;  ///< of which there are subscriptions or messages
    std::uint64_t messages = 0;  ///< copies, wills and retained ones whose message is gone
    std::uint64_t groups = 0;

    std::uint64_t all() const { return sessions + messages + groups; }
    bool operator==(const Missing&) const = default;
  };

  /// `segment`: the number of the one that it was read from.
  void apply(const Record& record, std::uint64_t segment = 0);
  /// All records of a batch, which are so many bytes behind the start of that segment. False when they are none from
  /// some point on; those before it count.
  bool apply_all(base::Bytes records, std::uint64_t segment = 0, std::uint64_t offset = 0);
  /// Puts in order, leaves out what nothing refers to or what cannot be made.
  Missing finish();

  /// By number, in the order in which they came.
  const std::vector<Session>& sessions() const { return sessions_; }
  const std::vector<Group>& groups() const { return groups_; }
  const MessageRecord* message(std::uint64_t number) const {
    const auto found = messages_.find(number);
    return found == messages_.end() ? nullptr : &found->second.record;
  }
  /// The segment of a message's record.
  std::uint64_t message_segment(std::uint64_t number) const { return messages_.at(number).segment; }
  /// Where its topic begins in there.
  std::uint64_t message_offset(std::uint64_t number) const { return messages_.at(number).offset; }
  struct RetainedOne {
    std::uint64_t message = 0;
    std::string_view topic;
    std::uint64_t segment = 0;
  };
  const std::vector<RetainedOne>& retained() const { return retained_; }
  std::size_t messages() const { return messages_.size(); }
  /// The highest numbers that were met, those of messages that are not there included.
  std::uint64_t last_session() const { return last_session_; }
  std::uint64_t last_message() const { return last_message_; }
  std::uint32_t last_group() const { return last_group_; }

 private:
  struct Message {
    MessageRecord record;
    std::uint64_t segment = 0;
    std::uint64_t offset = 0;
  };
  // A session or group while records come: its queue by sequence.
  template <class Thing, class Item>
  struct Making {
    Thing thing;
    std::unordered_map<std::uint32_t, Item> queue;
    bool gone = false;
  };
  struct MakingSession : Making<Session, Waiting> {
    std::map<std::uint16_t, Flight> flights;
  };
  using MakingGroup = Making<Group, GroupWaiting>;

  MakingSession& session(std::uint64_t number);
  Session& own(std::uint64_t number);
  MakingGroup& group(std::uint32_t number);
  Copy copy(const CopyRecord& record);
  std::uint64_t refer(std::uint64_t message);

  void on(const SessionRecord& r);
  void on(const SessionGone& r);
  void on(const SubscriptionRecord& r);
  void on(const SubscriptionGone& r);
  void on(const MessageRecord& r);
  void on(const Queued& r);
  void on(const Unqueued& r);
  void on(const InFlight& r);
  void on(const Sent& r);
  void on(const Received& r);
  void on(const Finished& r);
  void on(const Taken& r);
  void on(const Released& r);
  void on(const Retained& r);
  void on(const RetainedGone& r);
  void on(const GroupRecord& r);
  void on(const GroupGone& r);
  void on(const GroupQueued& r);
  void on(const GroupUnqueued& r);
  void on(const Alive&) {}

  std::unordered_map<std::uint64_t, MakingSession> making_;
  std::unordered_map<std::uint32_t, MakingGroup> making_groups_;
  std::unordered_map<std::uint64_t, Message> messages_;
  std::unordered_map<std::string_view, RetainedOne> retained_by_topic_;
  std::uint64_t retained_missing_ = 0;  // whose topic is not known, either
  std::uint64_t segment_ = 0;  // of the record that is applied
  // Of the batch that is applied: where its records are, in memory and in the segment.
  const std::uint8_t* records_ = nullptr;
  std::uint64_t offset_ = 0;
  std::vector<Session> sessions_;
  std::vector<Group> groups_;
  std::vector<RetainedOne> retained_;
  std::uint64_t last_session_ = 0;
  std::uint64_t last_message_ = 0;
  std::uint32_t last_group_ = 0;
};

}  // namespace shoal::store
