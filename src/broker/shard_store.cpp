#include "broker/shard.hpp"

// What a shard does for its store.

namespace shoal::broker {
namespace {

// What nobody waits for may be lost with the process for so long.
constexpr base::Duration kCommitDelay = base::milliseconds(10);

}  // namespace

// What the store has to do besides what is told: some of it in each turn.
void Shard::keep_store() {
  if (counters_.connections_now != 0) journal_->alive();
  read_back_->step(sessions_, [this](ClientSession& session) {
    session.pump(router_.scratch(), now());
    flush_later(*session.client);
  });
  note_lost();
  if (eviction_->step()) context_.want_turn_end();
  if (clearing_->step(router_)) context_.want_turn_end();
}

void Shard::note_lost() {
  const std::uint64_t lost = read_back_->lost();
  if (lost == noted_lost_) return;
  log_limited(LogLevel::error, "queued messages lost: the store cannot give them back",
              {{"count", lost - noted_lost_}});
  noted_lost_ = lost;
}

void Shard::commit() {
  journal_->commit();
  context_.timers.cancel(commit_delay_);
  release_dirty();
}

// What nobody waits for comes with the next batch that somebody does, or a little later: acknowledgements of what was
// sent, for instance. When they are lost with the process, it is sent once more.
void Shard::commit_if_due() {
  if (journal_->awaited()) return commit();
  release_dirty();
}

void Shard::commit_later() {
  if (!commit_delay_.armed()) context_.timers.arm(commit_delay_, now() + kCommitDelay);
}

void Shard::release_dirty() {
  for (Client* client : dirty_) {
    if (client && client->link().holds()) release(*client);
  }
}

// What waited for the store may leave.
void Shard::release(Client& client) {
  client.link().release(journal_->committed());
  if (!client.link().holds() || client.holding) return;
  client.holding = true;
  holding_.push_back(&client);
}

void Shard::store_changed() {
  if (!journal_) return;
  journal_->refresh();
  std::erase_if(holding_, [&](Client* client) {
    if (client->link().holds()) client->link().release(journal_->committed());
    flush_later(*client);
    return !(client->holding = client->link().holds());
  });
  if (eviction_->due()) context_.want_turn_end();
}

void Shard::use_store(std::unique_ptr<store::Store> store, const store::Image& image, store::WallMs alive_until,
                      std::function<store::WallMs()> wall) {
  router_.messages().set_storable(true);
  auto journal = std::make_unique<StoreJournal>(std::move(store), context_.now, std::move(wall));
  StoreJournal& told = *journal;
  restoring_.reset(new Restoring{std::move(journal), image, {image, alive_until, told, router_, sessions_}});
}

bool Shard::restore_some(std::size_t things) {
  if (restoring_->restoration.step(things)) return true;
  const std::unique_ptr<Restoring> restored = std::move(restoring_);
  journal_ = std::move(restored->journal);
  read_back_ = std::make_unique<StoreReadBack>(*journal_, context_.want_turn_end);
  journal_->set_read_back(read_back_.get());
  eviction_ = std::make_unique<StoreEviction>(*journal_, budget_.work);
  clearing_ = std::make_unique<StoreClearing>(*journal_, *read_back_, budget_);
  router_.set_journal(journal_.get());
  sessions_.set_journal(journal_.get());
  for (const store::Image::Session& session : restored->image.sessions()) {
    if (session.since == 0) journal_->session(*sessions_.find(session.client_id));
  }
  commit();
  context_.want_turn_end();
  return false;
}

void Shard::leave_store() {
  context_.timers.cancel(commit_delay_);
  router_.set_journal(nullptr);
  sessions_.set_journal(nullptr);
  clearing_.reset();
  eviction_.reset();
  read_back_.reset();
  restoring_.reset();
  journal_.reset();
}

void Shard::store_session(ClientSession& session) {
  const session::Session& protocol = session.protocol;
  if (journal_ && (protocol.expiry_s() != 0 || protocol.will || protocol.stored())) journal_->session(session);
}

void Shard::wait_for_store_now(Client& client) {
  constexpr base::Duration kWait = base::milliseconds(5);
  hit(Bound::store_queue, client.client_id());
  pause(client, kWait);
}

}  // namespace shoal::broker
