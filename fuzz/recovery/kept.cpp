#include "recovery/kept.hpp"

#include "target.hpp"

namespace shoal::fuzz {
namespace {

std::string line(const std::string& topic, const std::string& payload) { return topic + ' ' + payload + '\n'; }

std::string message(const store::Image& image, std::uint64_t number) {
  const store::MessageRecord* const found = image.message(number);
  check(found != nullptr, "a message that is referred to is there");
  return line(std::string(found->topic), std::string(base::as_text(found->payload)));
}

}  // namespace

std::string Kept::text() const {
  std::string text;
  const auto told = [&](std::uint64_t number) {
    const Message& found = messages->at(number);
    return line(found.topic, found.payload);
  };
  for (const auto& [number, session] : sessions) {
    text +=
        "session " + std::to_string(number) + ' ' + session.client_id + ' ' + std::to_string(session.expiry_s) + '\n';
    if (session.will != 0) text += "will " + told(session.will);
    for (const auto& [filter, qos] : session.subscriptions)
      text += "subscribed " + filter + ' ' + std::to_string(qos) + '\n';
    for (const auto& [sequence, number_of] : session.queue)
      text += "queued " + std::to_string(sequence) + ' ' + told(number_of);
    std::map<std::uint32_t, std::string> flights;
    for (const auto& [id, flight] : session.flights) {
      flights[flight.order] = "flight " + std::to_string(id) + ' ' +
                              (flight.message == 0 ? std::string("released\n") : told(flight.message));
    }
    for (const auto& [order, flight] : flights) text += flight;
    for (const std::uint16_t id : session.taken) text += "taken " + std::to_string(id) + '\n';
  }
  for (const auto& [number, group] : groups) {
    text += "group " + std::to_string(number) + ' ' + group.filter + '\n';
    for (const auto& [sequence, number_of] : group.queue)
      text += "queued " + std::to_string(sequence) + ' ' + told(number_of);
  }
  std::map<std::uint64_t, std::string> by_number;
  for (const auto& [topic, number] : retained) by_number[number] = told(number);
  for (const auto& [number, retained_one] : by_number) text += "retained " + retained_one;
  return text;
}

void Kept::tell(store::RecordWriter& writer) const {
  const auto tell_message = [&](std::uint64_t number) {
    const Message& found = messages->at(number);
    writer.put(store::MessageRecord{number, 0, 1, found.topic, {}, base::as_bytes(found.payload)});
    return number;
  };
  for (const auto& [number, session] : sessions) {
    store::SessionRecord record{number, session.client_id, session.expiry_s, 0, {}};
    if (session.will != 0) record.will.emplace().message = tell_message(session.will);
    for (const auto& [sequence, number_of] : session.queue) {
      writer.put(store::Queued{number, sequence, {tell_message(number_of), 1, false, 0, {}}});
    }
    for (const auto& [id, flight] : session.flights) {
      const bool released = flight.message == 0;
      if (!released) tell_message(flight.message);
      writer.put(store::InFlight{number, id, flight.order, released, {flight.message, 2, false, 0, {}}});
    }
    // Its own record may come behind what belongs to it.
    writer.put(record);
    for (const auto& [filter, qos] : session.subscriptions) {
      writer.put(store::SubscriptionRecord{number, filter, qos, false, false, 0});
    }
    for (const std::uint16_t id : session.taken) writer.put(store::Taken{number, id});
  }
  for (const auto& [number, group] : groups) {
    for (const auto& [sequence, number_of] : group.queue) {
      writer.put(store::GroupQueued{number, sequence, tell_message(number_of), false});
    }
    writer.put(store::GroupRecord{number, group.filter});
  }
  for (const auto& [topic, number] : retained) writer.put(store::Retained{tell_message(number), topic});
}

std::string text(const store::Image& image) {
  std::string text;
  std::uint64_t last = 0;
  for (const auto& session : image.sessions()) {
    check(session.number > last, "sessions are in order");
    last = session.number;
    text += "session " + std::to_string(session.number) + ' ' + std::string(session.client_id) + ' ' +
            std::to_string(session.expiry_s) + '\n';
    if (session.will) text += "will " + message(image, session.will->message);
    for (const auto& [filter, record] : session.subscriptions) {
      check(filter == record.filter, "a subscription is that of its filter");
      text += "subscribed " + std::string(filter) + ' ' + std::to_string(record.qos) + '\n';
    }
    for (const auto& waiting : session.queue) {
      text += "queued " + std::to_string(waiting.sequence) + ' ' + message(image, waiting.copy.message);
    }
    for (const auto& flight : session.flights) {
      text += "flight " + std::to_string(flight.id) + ' ' +
              (flight.released ? std::string("released\n") : message(image, flight.copy.message));
    }
    for (const std::uint16_t id : session.taken) text += "taken " + std::to_string(id) + '\n';
  }
  for (const auto& group : image.groups()) {
    text += "group " + std::to_string(group.number) + ' ' + std::string(group.filter) + '\n';
    for (const auto& waiting : group.queue) {
      text += "queued " + std::to_string(waiting.sequence) + ' ' + message(image, waiting.message);
    }
  }
  for (const auto& retained : image.retained()) text += "retained " + message(image, retained.message);
  return text;
}

}  // namespace shoal::fuzz
