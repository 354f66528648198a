#include "broker/session_table.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "broker/store_journal.hpp"

namespace shoal::broker {

namespace {

constexpr std::uint64_t kEndWorkPerTurn = 100'000;  // units of `Work`: about 5 ms

// A long name counts against what the instance keeps.
std::size_t entry_bytes(std::string_view client_id) { return client_id.size(); }

}  // namespace

void Absence::on_deadline(base::Time now) { table_.due(session_, now); }

SessionTable::~SessionTable() {
  for (const auto& session : sessions_) router_.end(*session, now_);
}

ClientSession* SessionTable::find(std::string_view client_id) {
  const auto found = sessions_.find(client_id);
  return found == sessions_.end() ? nullptr : found->get();
}

ClientSession& SessionTable::create(std::string_view client_id) {
  budget_.entry_bytes_now += entry_bytes(client_id);
  return **sessions_.insert(std::make_unique<ClientSession>(client_id, budget_)).first;
}

void SessionTable::end(ClientSession& session) {
  assert(!session.client);
  publish_will(session);
  router_.end(session, now_);
  session.absence.reset();
  if (journal_ && session.protocol.stored()) journal_->session_gone(session);
  const auto found = sessions_.find(session.protocol.client_id());
  assert(found != sessions_.end() && found->get() == &session);
  budget_.entry_bytes_now -= entry_bytes(session.protocol.client_id());
  sessions_.erase(found);
}

void SessionTable::disconnected(ClientSession& session) {
  router_.shared().disconnected(session);
  if (session.protocol.expiry_s() == 0) return end(session);
  if (session.protocol.will && session.protocol.will->delay_s == 0) publish_will(session);
  start_waiting(session, now_);
  if (journal_) journal_->session(session);
}

void SessionTable::restored(ClientSession& session, base::Time since) { start_waiting(session, since); }

// Without a connection since then.
void SessionTable::start_waiting(ClientSession& session, base::Time since) {
  const std::uint32_t expiry_s = session.protocol.expiry_s();
  session.absence = std::make_unique<Absence>(*this, session);
  session.absence->since = since;
  session.absence->expires = expiry_s == session::kExpiryNever ? base::kNever : since + base::seconds(expiry_s);
  if (session.protocol.will) session.protocol.will->due = since + base::seconds(session.protocol.will->delay_s);
  arm(session);
}

void SessionTable::arm(ClientSession& session) {
  base::Time deadline = session.absence->expires;
  if (session.protocol.will) deadline = std::min(deadline, session.protocol.will->due);
  if (deadline == base::kNever) timers_.cancel(*session.absence);
  else timers_.arm(*session.absence, deadline);
}

bool SessionTable::may_end_more() {
  if (std::exchange(allowed_at_, now_) != now_) allowed_from_ = budget_.work.done();
  return budget_.work.done() - allowed_from_ < kEndWorkPerTurn;
}

void SessionTable::due(ClientSession& session, base::Time now) {
  on_due_();
  if (!may_end_more()) return timers_.arm(*session.absence, now + kMomentLater);
  if (!end_due(session, now)) arm(session);
}

// What is due by now. True when that was the session's end.
bool SessionTable::end_due(ClientSession& session, base::Time now) {
  if (session.absence->expires <= now) {
    ++expired_;
    end(session);
    return true;
  }
  if (session.protocol.will && session.protocol.will->due <= now) {
    publish_will(session);
    if (journal_) journal_->session(session);
  }
  return false;
}

void SessionTable::catch_up(std::string_view client_id) {
  ClientSession* const session = find(client_id);
  if (session && !session->client && !end_due(*session, now_)) arm(*session);
}

void SessionTable::resumed(ClientSession& session) {
  session.protocol.will.reset();  // MQTT-3.1.3-9
  router_.resumed(session);
  session.absence.reset();
}

void SessionTable::publish_will(ClientSession& session) {
  const auto will = std::move(session.protocol.will);
  if (!will) return;
  const session::Message& message = *will->message;
  router_.publish_will({.topic = message.topic(),
                        .payload = message.payload(),
                        .properties = message.properties(),
                        .qos = message.qos(),
                        .retain = will->retain,
                        .expires = will->expiry_s ? session::expires(now_, *will->expiry_s) : base::kNever},
                       session, now_);
}

}  // namespace shoal::broker
