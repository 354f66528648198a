#include "broker/restore.hpp"

#include <unordered_map>

namespace shoal::broker {
namespace {

session::Place place(std::uint64_t segment) { return static_cast<session::Place>(segment); }

class Restoring {
 public:
  Restoring(const store::Image& image, StoreJournal& journal, Router& router, SessionTable& sessions)
      : image_(image), journal_(journal), router_(router), sessions_(sessions) {}

  void run(store::WallMs alive_until) {
    journal_.restore_numbers(image_.last_session(), image_.last_message());
    router_.shared().restore_numbers(image_.last_group());
    for (const store::Image::Group& group : image_.groups()) make(group);
    for (const store::Image::Session& session : image_.sessions()) make(session, alive_until);
    for (const store::Image::RetainedOne& retained : image_.retained()) {
      const auto node = router_.retained().restore(message(retained.message), place(retained.segment));
      journal_.restore_retained(node, place(retained.segment));
    }
    router_.shared().drop_empty();
  }

 private:
  session::MessageRef message(std::uint64_t number) {
    session::MessageRef& made = messages_[number];
    if (made) return made;
    const store::MessageRecord& record = *image_.message(number);
    made = router_.messages().make(record.topic, record.payload, record.properties, record.qos,
                                   journal_.from_wall(record.expires));
    journal_.restore_message(*made, number, place(image_.message_segment(number)));
    return made;
  }

  static session::KeptCopy copy(const store::Image::Copy& copy) {
    return session::KeptCopy({copy.qos, copy.retain, copy.ids, copy.group});
  }

  void make(const store::Image::Group& group) {
    SharedGroup& made = router_.shared().restore(group.filter, group.number);
    journal_.restore_group(made, place(group.segment));
    for (const store::Image::GroupWaiting& waiting : group.queue) {
      router_.shared().restore_queued(made, waiting.sequence, message(waiting.message), waiting.retain,
                                      place(waiting.segment));
      journal_.restore_place(made, place(waiting.segment));
    }
  }

  void make(const store::Image::Session& session, store::WallMs alive_until) {
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
      session::MessageRef kept = flight.released ? session::MessageRef() : message(flight.copy.message);
      outbound.restore_in_flight(flight.id, flight.order, std::move(kept), copy(flight.copy), place(flight.segment));
      journal_.restore_place(made, place(flight.segment));
    }
    for (const store::Image::Waiting& waiting : session.queue) {
      outbound.restore_queued(waiting.sequence, message(waiting.copy.message), copy(waiting.copy),
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
    sessions_.restored(made, journal_.from_wall(session.since != 0 ? session.since : alive_until));
  }

  const store::Image& image_;
  StoreJournal& journal_;
  Router& router_;
  SessionTable& sessions_;
  std::unordered_map<std::uint64_t, session::MessageRef> messages_;
};

}  // namespace

void restore(const store::Image& image, store::WallMs alive_until, StoreJournal& journal, Router& router,
             SessionTable& sessions) {
  Restoring(image, journal, router, sessions).run(alive_until);
}

}  // namespace shoal::broker
