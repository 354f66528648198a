#include "broker/restore.hpp"

namespace shoal::broker {
namespace {

session::Place place(std::uint64_t segment) { return static_cast<session::Place>(segment); }

session::KeptCopy kept(const store::Image::Copy& copy) {
  return session::KeptCopy({copy.qos, copy.retain, copy.ids, copy.group});
}

}  // namespace

Restoration::Restoration(const store::Image& image, store::WallMs alive_until, StoreJournal& journal, Router& router,
                         SessionTable& sessions)
    : image_(image), alive_until_(alive_until), journal_(journal), router_(router), sessions_(sessions) {
  journal_.restore_numbers(image_.last_session(), image_.last_message());
  router_.shared().restore_numbers(image_.last_group());
}

bool Restoration::step(std::size_t things) {
  for (std::size_t made = 0; made < things; ++made) {
    if (groups_made_ < image_.groups().size()) {
      made += make(image_.groups()[groups_made_++]);
    } else if (sessions_made_ < image_.sessions().size()) {
      made += make(image_.sessions()[sessions_made_++]);
    } else if (retained_made_ < image_.retained().size()) {
      make(image_.retained()[retained_made_++]);
    } else if (!messages_.empty()) {
      messages_.erase(messages_.begin());
    } else {
      finish();
      return false;
    }
  }
  return true;
}

void Restoration::finish() {
  router_.shared().drop_empty();
  for (const auto& [session, since] : waiting_) sessions_.restored(*session, since);
  waiting_.clear();
}

session::MessageRef Restoration::message(std::uint64_t number) {
  session::MessageRef& made = messages_[number];
  if (made) return made;
  const store::MessageRecord& record = *image_.message(number);
  made = router_.messages().make(record.topic, record.payload, record.properties, record.qos,
                                 journal_.from_wall(record.expires));
  journal_.restore_message(*made, number, {place(image_.message_segment(number)), image_.message_offset(number)});
  return made;
}

void Restoration::make(const store::Image::RetainedOne& retained) {
  const auto node = router_.retained().restore(message(retained.message), place(retained.segment));
  journal_.restore_retained(node, place(retained.segment));
}

std::size_t Restoration::make(const store::Image::Group& group) {
  SharedGroup& made = router_.shared().restore(group.filter, group.number);
  journal_.restore_group(made, place(group.segment));
  for (const store::Image::GroupWaiting& waiting : group.queue) {
    router_.shared().restore_queued(made, waiting.sequence, message(waiting.message), waiting.retain,
                                    place(waiting.segment));
    journal_.restore_place(made, place(waiting.segment));
  }
  return group.queue.size();
}

std::size_t Restoration::make(const store::Image::Session& session) {
  ClientSession& made = sessions_.create(std::string(session.client_id));
  session::Session& protocol = made.protocol;
  protocol.set_expiry_s(session.expiry_s);
  journal_.restore_session(made, session.number, place(session.first_segment));
  for (const auto& [filter, subscription] : session.subscriptions) {
    mqtt::SubscriptionOptions options;
    options.qos = subscription.qos;
    options.no_local = subscription.no_local;
    options.retain_as_published = subscription.retain_as_published;
    router_.subscribe(made, filter, options, subscription.id);
  }
  session::Outbound& outbound = protocol.restored_outbound();
  for (const store::Image::Flight& flight : session.flights) {
    session::MessageRef sent = flight.released ? session::MessageRef() : message(flight.copy.message);
    outbound.restore_in_flight(flight.id, flight.order, std::move(sent), kept(flight.copy), place(flight.segment));
    journal_.restore_place(made, place(flight.segment));
  }
  for (const store::Image::Waiting& waiting : session.queue) {
    outbound.restore_queued(waiting.sequence, message(waiting.copy.message), kept(waiting.copy),
                            place(waiting.segment));
    journal_.restore_place(made, place(waiting.segment));
  }
  for (const std::uint16_t id : session.taken) protocol.restore_taken(id);
  if (session.will) {
    auto will = std::make_unique<session::StoredWill>();
    will->message = message(session.will->message);
    will->delay_s = session.will->delay_s;
    will->expiry_s = session.will->expiry_s;
    will->retain = session.will->retain;
    protocol.will = std::move(will);
  }
  waiting_.emplace_back(&made, journal_.from_wall(session.since != 0 ? session.since : alive_until_));
  return session.subscriptions.size() + session.flights.size() + session.queue.size() + session.taken.size();
}

}  // namespace shoal::broker
