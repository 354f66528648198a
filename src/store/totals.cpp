#include "store/totals.hpp"

#include <unordered_set>

namespace shoal::store {

Totals count(const Image& image) {
  Totals totals;
  std::unordered_set<std::uint64_t> messages;
  const auto refer = [&](std::uint64_t number) {
    if (image.message(number)) messages.insert(number);
  };
  totals.sessions = image.sessions().size();
  for (const Image::Session& session : image.sessions()) {
    totals.subscriptions += session.subscriptions.size();
    totals.queued += session.queue.size();
    totals.in_flight += session.flights.size();
    totals.taken += session.taken.size();
    if (session.will) refer(session.will->message);
    for (const Image::Waiting& waiting : session.queue) refer(waiting.copy.message);
    for (const Image::Flight& flight : session.flights) refer(flight.copy.message);
  }
  totals.groups = image.groups().size();
  for (const Image::Group& group : image.groups()) {
    totals.queued += group.queue.size();
    for (const Image::GroupWaiting& waiting : group.queue) refer(waiting.message);
  }
  totals.retained = image.retained().size();
  for (const Image::RetainedOne& retained : image.retained()) refer(retained.message);
  totals.messages = messages.size();
  return totals;
}

}  // namespace shoal::store
