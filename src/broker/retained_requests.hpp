#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/ring.hpp"
#include "broker/peers.hpp"
#include "broker/retained_store.hpp"

namespace shoal::broker {

/// Retained messages that other shards own and a new subscription here still gets. They come by some at a time, when
/// those before are sent. Asked for by its constructor, no longer wanted when it goes.
class RetainedRequest {
 public:
  /// `session`: is sent to when messages have come. What others store from now on is not among them.
  RetainedRequest(RetainedRequests& requests, unsigned shard, std::string_view filter, std::uint64_t without,
                  ClientSession& session);
  ~RetainedRequest();
  RetainedRequest(const RetainedRequest&) = delete;
  RetainedRequest& operator=(const RetainedRequest&) = delete;

  /// Those that were stored meanwhile, too.
  void take_newer();
  /// The next message; null while it has not come. Asks for more when none is left.
  const session::MessageRef* front();
  void pop() { come_.pop(); }
  /// All have come and were taken.
  bool done() const { return all_ && come_.empty(); }

 private:
  friend class RetainedRequests;

  RetainedRequests& requests_;
  const unsigned shard_;
  const std::uint32_t number_;
  ClientSession& session_;
  base::Ring<session::MessageRef> come_;
  bool asked_ = false;
  bool all_ = false;
};

/// What a shard asks others for of their retained messages, and what they ask this one for. The shard's thread.
class RetainedRequests {
 public:
  RetainedRequests(Peers& peers, RetainedStore& store, session::MessagePool& messages, session::Work& work)
      : peers_(peers), store_(store), messages_(messages), work_(work) {}

  // What others told.
  void wanted(unsigned from, NoteReader& note);
  void more(unsigned from, NoteReader& note, session::Time now);
  void newer(unsigned from, NoteReader& note);
  void enough(unsigned from, NoteReader& note);
  /// The session whose messages have come; null: nobody waits for them any more.
  ClientSession* came(NoteReader& note);

 private:
  friend class RetainedRequest;

  // For another shard's subscription.
  struct Served {
    Served(RetainedStore& store, std::string_view filter, std::uint64_t leave_out)
        : walk(store.tree(), std::string(filter)), until(store.last_number()), without(leave_out) {}

    RetainedStore::Tree::Walk walk;
    std::uint64_t until;
    std::uint64_t without;
  };
  static std::uint64_t key(unsigned from, std::uint32_t request) { return std::uint64_t{from} << 32 | request; }

  Peers& peers_;
  RetainedStore& store_;
  session::MessagePool& messages_;
  session::Work& work_;
  std::uint32_t last_number_ = 0;
  std::unordered_map<std::uint32_t, RetainedRequest*> requests_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Served>> served_;
};

}  // namespace shoal::broker
