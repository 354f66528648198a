#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/text_hash.hpp"
#include "broker/receiver.hpp"
#include "broker/router.hpp"

namespace shoal::broker {

/// The sessions of an instance by client id, from CONNECT to the session's end: expiry and wills
/// included. Pure; the shard's thread.
class SessionTable {
 public:
  /// `on_due`: called before a deadline ends a session or publishes a will.
  SessionTable(session::QueueBudget& budget, Router& router, io::TimerQueue& timers, const base::Time& now,
               base::TextHash hash, std::function<void()> on_due)
      : budget_(budget),
        router_(router),
        timers_(timers),
        now_(now),
        on_due_(std::move(on_due)),
        sessions_(8, IdHash{hash}) {}
  ~SessionTable();
  SessionTable(const SessionTable&) = delete;
  SessionTable& operator=(const SessionTable&) = delete;

  /// Who hears of what has to survive; null: nobody.
  void set_journal(StoreJournal* journal) { journal_ = journal; }
  /// A session that survived, without a connection since `since`: its expiry and will are due when they are.
  void restored(ClientSession& session, base::Time since);

  std::size_t size() const { return sessions_.size(); }
  /// Gives back what it took when there were more.
  void shrink() { sessions_.rehash(0); }
  /// Sessions whose expiry passed.
  std::uint64_t expired() const { return expired_; }
  ClientSession* find(std::string_view client_id);
  ClientSession& create(std::string_view client_id);
  /// Forgets the session, its subscriptions and queues. A will that still waits is published first
  /// (MQTT-3.1.2-8: no later than the session's end). It must not be connected.
  void end(ClientSession& session);
  /// False when deadlines have ended so many at this moment that the others have to wait: `kMomentLater`, which
  /// is the next turn. They have an allowance of their own: whatever clients do, sessions end in time.
  bool may_end_more();
  static constexpr base::Duration kMomentLater{1};

  /// The session's connection is gone (and it is detached already): publishes the will, now or after
  /// its delay, and ends the session now or at its expiry.
  void disconnected(ClientSession& session);
  /// A connection resumes the session: its will that waits is cancelled, its expiry too.
  void resumed(ClientSession& session);
  /// Does now what of that session is due and waits for its turn: before its client comes back.
  void catch_up(std::string_view client_id);

  /// Publishes the will, when there is one, and forgets it.
  void publish_will(ClientSession& session);

 private:
  friend class Absence;

  // Sessions are found by their own client ids.
  struct IdHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view id) const { return hash(id); }
    std::size_t operator()(const std::unique_ptr<ClientSession>& session) const {
      return hash(session->protocol.client_id());
    }
    base::TextHash hash;
  };
  struct SameId {
    using is_transparent = void;
    static std::string_view id(std::string_view id) { return id; }
    static std::string_view id(const std::unique_ptr<ClientSession>& session) { return session->protocol.client_id(); }
    bool operator()(const auto& a, const auto& b) const { return id(a) == id(b); }
  };

  void due(ClientSession& session, base::Time now);
  bool end_due(ClientSession& session, base::Time now);
  void arm(ClientSession& session);
  void start_waiting(ClientSession& session, base::Time since);

  std::uint64_t expired_ = 0;
  base::Time allowed_at_{};
  std::uint64_t allowed_from_ = 0;  // of the work that was done by then
  session::QueueBudget& budget_;
  Router& router_;
  StoreJournal* journal_ = nullptr;
  io::TimerQueue& timers_;
  const base::Time& now_;
  std::function<void()> on_due_;
  std::unordered_set<std::unique_ptr<ClientSession>, IdHash, SameId> sessions_;
};

}  // namespace shoal::broker
