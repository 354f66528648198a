#pragma once

#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/router.hpp"
#include "broker/session_table.hpp"
#include "broker/store_journal.hpp"
#include "store/image.hpp"

namespace shoal::broker {

/// Makes sessions, subscriptions, queues, retained messages and groups as an image says, in an instance that has none;
/// a part at a time, so that the thread's other instances go on meanwhile. The journal learns what it knows already;
/// router and table do not tell it anything. One thread.
class Restoration {
 public:
  /// Sessions that had a connection lost it at `alive_until`. What is given outlives this.
  Restoration(const store::Image& image, store::WallMs alive_until, StoreJournal& journal, Router& router,
              SessionTable& sessions);
  Restoration(const Restoration&) = delete;
  Restoration& operator=(const Restoration&) = delete;

  /// Makes more of it, until that were about so many things. False when all is there; from then on sessions expire.
  bool step(std::size_t things);

 private:
  session::MessageRef message(std::uint64_t number);
  std::size_t make(const store::Image::Group& group);
  std::size_t make(const store::Image::Session& session);
  void make(const store::Image::RetainedOne& retained);
  void finish();

  const store::Image& image_;
  store::WallMs alive_until_;
  StoreJournal& journal_;
  Router& router_;
  SessionTable& sessions_;
  std::size_t groups_made_ = 0;
  std::size_t sessions_made_ = 0;
  std::size_t retained_made_ = 0;
  std::unordered_map<std::uint64_t, session::MessageRef> messages_;
  std::vector<std::pair<ClientSession*, base::Time>> waiting_;  // since when they have no connection
};

}  // namespace shoal::broker
