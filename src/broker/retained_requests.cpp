#include "broker/retained_requests.hpp"

#include "broker/incoming.hpp"
#include "session/message.hpp"

namespace shoal::broker {
namespace {

// Sent at a time, and nodes looked at for it.
constexpr std::uint32_t kMessagesMax = 256;
constexpr std::size_t kBytesMax = 32 * 1024;
constexpr std::size_t kNodesMax = 5'000;

}  // namespace

RetainedRequest::RetainedRequest(RetainedRequests& requests, unsigned shard, std::string_view filter,
                                 std::uint64_t without, ClientSession& session)
    : requests_(requests), shard_(shard), number_(++requests.last_number_), session_(session) {
  requests_.requests_.emplace(number_, this);
  requests_.peers_.to(shard_, Note::want_retained).number(number_).number(without).text(filter);
}

RetainedRequest::~RetainedRequest() {
  requests_.requests_.erase(number_);
  if (!all_) requests_.peers_.to(shard_, Note::enough_retained).number(number_);
}

void RetainedRequest::take_newer() {
  if (!all_) requests_.peers_.to(shard_, Note::newer_retained).number(number_);
}

const session::MessageRef* RetainedRequest::front() {
  if (!come_.empty()) return &come_.front();
  if (!all_ && !std::exchange(asked_, true)) requests_.peers_.to(shard_, Note::more_retained).number(number_);
  return nullptr;
}

void RetainedRequests::wanted(unsigned from, NoteReader& note) {
  const auto request = note.number<std::uint32_t>();
  const auto without = note.number<std::uint64_t>();
  served_[key(from, request)] = std::make_unique<Served>(store_, note.text(), without);
}

void RetainedRequests::more(unsigned from, NoteReader& note, session::Time now) {
  const auto request = note.number<std::uint32_t>();
  const auto found = served_.find(key(from, request));
  if (found == served_.end()) return;
  Served& served = *found->second;
  NoteWriter writer = peers_.to(from, Note::retained);
  writer.number(request);
  std::uint32_t count = 0;
  std::size_t bytes = 0;
  std::size_t steps = kNodesMax;
  while (count < kMessagesMax && bytes < kBytesMax) {
    const Retained* const retained = served.walk.seek(steps);
    if (!retained) break;
    if (due(*retained, served.until, served.without, now)) {
      writer.prefetch();
      write(writer.number(true), incoming_of(*retained->message));
      ++count;
      bytes += retained->message->size();
    }
    served.walk.advance();
    if (steps > 0) --steps;
  }
  work_.add(kNodesMax - steps + count);
  const bool all = served.walk.done();
  writer.number(false).number(all);
  if (all) served_.erase(found);
}

void RetainedRequests::newer(unsigned from, NoteReader& note) {
  const auto found = served_.find(key(from, note.number<std::uint32_t>()));
  if (found != served_.end()) found->second->until = store_.last_number();
}

void RetainedRequests::enough(unsigned from, NoteReader& note) {
  served_.erase(key(from, note.number<std::uint32_t>()));
}

ClientSession* RetainedRequests::came(NoteReader& note) {
  const auto found = requests_.find(note.number<std::uint32_t>());
  RetainedRequest* const request = found == requests_.end() ? nullptr : found->second;
  while (note.number<bool>()) {
    note.prefetch();
    const Incoming one = read_incoming(note);
    if (!request) continue;
    request->come_.push(messages_.make(one.topic, one.payload, one.properties, one.qos, one.expires));
  }
  const bool all = note.number<bool>();
  if (!request) return nullptr;
  request->asked_ = false;
  request->all_ = all;
  return &request->session_;
}

}  // namespace shoal::broker
