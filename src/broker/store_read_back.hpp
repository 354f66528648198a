#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/session_table.hpp"
#include "broker/store_journal.hpp"
#include "session/message.hpp"
#include "store/store.hpp"

namespace shoal::broker {

/// Brings bodies of absent messages back from the store. What was read is put in place by `step`, never in the middle
/// of something else. The shard's thread.
class StoreReadBack {
 public:
  /// `wake`: asks for a `step`.
  StoreReadBack(StoreJournal& journal, std::function<void()> wake);

  /// Starts to read what is at the front of a session's queue. The request's number, never 0.
  std::uint32_t start(std::string_view client_id, std::vector<session::MessageRef> messages);
  /// The same for whoever asks whether it is `pending`. Until then the messages do not leave memory.
  std::uint32_t start(std::vector<session::MessageRef> messages) { return start({}, std::move(messages)); }
  bool pending(std::uint32_t request) const { return requests_.contains(request); }
  /// Puts in place what has been read, and calls `arrived` for connected sessions that waited for it.
  void step(SessionTable& sessions, const std::function<void(ClientSession&)>& arrived);

  /// Messages that were read back.
  std::uint64_t count() const { return count_; }
  /// Messages that could not be: they are lost.
  std::uint64_t lost() const { return lost_; }

 private:
  struct Request {
    std::string client_id;                        // empty: of no session
    std::vector<session::MessageRef> messages{};  // so they stay as long
    std::vector<session::Message::Spot> spots{};  // where they were then
  };
  // What the store has answered. It may do so when this is gone.
  using Answers = std::vector<std::pair<std::uint32_t, std::vector<store::Body>>>;

  void put(const session::Message& message, session::Message::Spot spot, const store::Body& body, bool wanted);

  StoreJournal& journal_;
  std::function<void()> wake_;
  std::map<std::uint32_t, Request> requests_;
  std::shared_ptr<Answers> answers_ = std::make_shared<Answers>();
  std::uint32_t last_ = 0;
  std::uint64_t count_ = 0;
  std::uint64_t lost_ = 0;
};

}  // namespace shoal::broker
