#include <algorithm>

#include "broker/incoming.hpp"
#include "broker/shard.hpp"
#include "mqtt/topic_name.hpp"

// What the shards of an instance tell each other.

namespace shoal::broker {

void Shard::hear() {
  context_.want_turn_end();  // it may be all that happens, and needs less memory from now
  peers_->read([&](unsigned from, NoteReader reader) {
    while (!reader.done()) {
      reader.prefetch();
      hear(from, reader.number<Note>(), reader);
    }
  });
}

void Shard::hear(unsigned from, Note note, NoteReader& reader) {
  SharedGroups& shared = router_.shared();
  RetainedRequests& retained = *router_.retained_requests();
  switch (note) {
    case Note::message:
    case Note::through:
    case Note::for_group:
    case Note::from_group: return hear_message(from, note, reader);
    case Note::went_through: return peers_->went_through(from, reader.number<std::uint32_t>());
    case Note::backlog: return peers_->set_backlog(from, reader.number<std::uint8_t>(), now());
    case Note::subscribed: {
      const std::string_view filter = reader.text();
      if (mqtt::is_server_topic(filter)) sys_.wanted();
      return router_.subscribed_elsewhere(from, filter, reader.number<topic::SubscriptionTree::Node>());
    }
    case Note::unsubscribed: return router_.unsubscribed_elsewhere(from, reader.text());
    case Note::want_retained: return retained.wanted(from, reader);
    case Note::more_retained: return retained.more(from, reader, now());
    case Note::newer_retained: return retained.newer(from, reader);
    case Note::enough_retained: return retained.enough(from, reader);
    case Note::retained:
      if (ClientSession* const session = retained.came(reader)) go_on(*session);
      return;
    case Note::host_wants: {
      const auto place = reader.number<std::uint32_t>();
      return router_.host_wants(from, place, reader.text(), now());
    }
    case Note::for_host: {
      const auto place = reader.number<std::uint32_t>();
      return router_.for_host(place, read_incoming(reader), now());
    }
    case Note::group_part: {
      const auto members = reader.number<std::uint32_t>();
      const auto connected = reader.number<std::uint32_t>();
      return shared.part_changed(from, reader.text(), members, connected, now());
    }
    case Note::group_room: {
      const auto count = reader.number<std::uint32_t>();
      const auto stuck = reader.number<bool>();
      return shared.has_room(from, reader.text(), count, stuck, now());
    }
    case Note::group_recall: return shared.recalled(reader.text());
  }
}

void Shard::hear_message(unsigned from, Note note, NoteReader& reader) {
  const bool of_group = note == Note::for_group || note == Note::from_group;
  const bool retain = of_group && reader.number<bool>();
  const std::string_view filter = of_group ? reader.text() : std::string_view();
  const Incoming incoming = read_incoming(reader);
  budget_.work.add_bytes(incoming.size());
  budget_.work.add(1);
  const std::uint64_t before = budget_.work.done();
  switch (note) {
    case Note::message: {
      const std::string_view publisher = reader.text();
      const FiltersThere filters = read_filters_there(reader);
      router_.message_from(incoming, publisher.empty() ? nullptr : sessions_.find(publisher), filters, now());
      break;
    }
    case Note::through: router_.message_through(from, incoming, reader.text(), now()); break;
    case Note::for_group: router_.for_group(from, filter, incoming, retain, now()); break;
    default:
      router_.from_group(from, filter, incoming, retain, now());
      peers_->heard_message(incoming.size(), 1);
      return;
  }
  // The search for them counts, too, where it was long: then it is said to be more than it is.
  peers_->heard_message(incoming.size(), budget_.work.done() - before);
  backlogs_[from] = static_cast<std::uint8_t>(std::max<unsigned>(backlogs_[from], router_.backlog_percent()));
  flush_if_much();
}

// Publishers there are slowed down as those here are.
void Shard::tell_backlogs() {
  constexpr unsigned kFrom = 50;
  for (unsigned shard = 0; shard < peers_->count(); ++shard) {
    const std::uint8_t percent = std::exchange(backlogs_[shard], std::uint8_t{0});
    if (percent >= kFrom) peers_->to(shard, Note::backlog).number(percent);
  }
}

void Shard::go_on(ClientSession& session) {
  if (!session.client) return;
  session.pump(router_.scratch(), now());
  flush_later(*session.client);
}

std::uint64_t Shard::total(Figure of) const {
  return figure(of) + (peers_ ? context_.set->of_others(number(), of) : 0);
}

void Shard::tell_figures() {
  for (std::size_t i = 0; i < kFigures; ++i) tell(static_cast<Figure>(i));
  const auto of_others = [&](Figure of) { return context_.set->of_others(number(), of); };
  router_.retained().set_others(of_others(Figure::retained_messages), of_others(Figure::retained_bytes));
  router_.set_others(of_others(Figure::kept_bytes));
  counters_.connections_max = std::max(counters_.connections_max, total(Figure::connections));
}

std::uint64_t Shard::figure(Figure of) const {
  const session::MessagePool& messages = router_.messages();
  const RetainedStore& retained = router_.retained();
  switch (of) {
    case Figure::connections: return counters_.connections_now;
    case Figure::sessions: return sessions_.size();
    case Figure::half_open: return counters_.half_open_now;
    case Figure::kept_bytes: return router_.kept_bytes() + budget_.entry_bytes_now;
    case Figure::subscriptions: return router_.subscriptions();
    case Figure::shared_subscriptions: return router_.shared().size();
    case Figure::subscription_bytes: return router_.subscription_bytes();
    case Figure::retained_messages: return retained.size();
    case Figure::retained_bytes: return retained.bytes();
    case Figure::stored_messages: return messages.count_now();
    case Figure::stored_bytes: return messages.bytes_now() + messages.absent_bytes_now();
    case Figure::memory_bytes:
      return messages.bytes_now() + budget_.entry_bytes_now + router_.subscription_bytes() +
             (retained.bytes() - retained.content_bytes());
    case Figure::connected: return counters_.connected;
    case Figure::expired: return sessions_.expired();
    case Figure::packets_received: return counters_.packets_received;
    case Figure::packets_sent: return budget_.delivered + budget_.acks + counters_.packets_sent;
    case Figure::messages_received: return router_.counters().received;
    case Figure::messages_delivered: return budget_.delivered + router_.counters().host_delivered;
    case Figure::messages_dropped:
      return budget_.dropped_full + budget_.dropped_slow + budget_.dropped_size + budget_.lost;
    case Figure::payload_received: return router_.counters().received_bytes;
    case Figure::payload_sent: return budget_.delivered_bytes;
    case Figure::bytes_received: return context_.edge.bytes_received;
    case Figure::bytes_sent: return context_.edge.bytes_sent;
    case Figure::rate_messages_in: return spent_messages_in_;
    case Figure::rate_bytes_in: return spent_bytes_in_;
    case Figure::rate_messages_out: return budget_.delivered;
    case Figure::rate_bytes_out: return budget_.delivered_bytes;
  }
  return 0;
}

}  // namespace shoal::broker
