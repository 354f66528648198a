#include "broker/store_read_back.hpp"

#include <iterator>

namespace shoal::broker {
namespace {

// What is put in place in one turn, and a request more.
constexpr std::size_t kReadBackBytesPerTurn = 2 * 1024 * 1024;

}  // namespace

StoreReadBack::StoreReadBack(StoreJournal& journal, std::function<void()> wake)
    : journal_(journal), wake_(std::move(wake)) {}

std::uint32_t StoreReadBack::start(std::string_view client_id, std::vector<session::MessageRef> messages) {
  do ++last_;
  while (last_ == 0 || requests_.contains(last_));
  Request request{.client_id = std::string(client_id)};
  std::vector<store::Wanted> wanted;
  for (const session::MessageRef& message : messages) {
    const session::Message::Spot spot = message->spot();
    request.spots.push_back(spot);
    wanted.push_back({.place = spot.place,
                      .offset = spot.offset,
                      .message = message->stored_number(),
                      .topic_size = message->topic_size(),
                      .properties_size = message->properties_size(),
                      .payload_size = message->payload_size(),
                      .checksum = message->checksum()});
  }
  request.messages = std::move(messages);
  requests_.emplace(last_, std::move(request));
  const auto done = [answers = std::weak_ptr(answers_), wake = wake_, number = last_](std::vector<store::Body> bodies) {
    const auto there = answers.lock();
    if (!there) return;
    there->emplace_back(number, std::move(bodies));
    wake();
  };
  const std::uint32_t number = last_;
  journal_.store().read(std::move(wanted), done);
  return number;
}

void StoreReadBack::step(SessionTable& sessions, const std::function<void(ClientSession&)>& arrived) {
  std::size_t bytes = 0;
  std::size_t done = 0;
  // Who goes on may ask for more, which is for the next step.
  Answers answers = std::exchange(*answers_, {});
  for (; done < answers.size() && bytes < kReadBackBytesPerTurn; ++done) {
    const auto& [number, bodies] = answers[done];
    for (const store::Body& body : bodies) bytes += body.size();
    auto node = requests_.extract(number);
    const Request& request = node.mapped();
    ClientSession* const session = request.client_id.empty() ? nullptr : sessions.find(request.client_id);
    // Where nobody is there to take them any more they need not come.
    const bool wanted = request.client_id.empty() || (session && session->client);
    for (std::size_t i = 0; i < request.messages.size(); ++i) {
      put(*request.messages[i], request.spots[i], bodies[i], wanted);
    }
    if (session && session->protocol.arrived(number) && session->client) arrived(*session);
  }
  if (done == answers.size()) return;
  answers_->insert(answers_->begin(), std::make_move_iterator(answers.begin() + static_cast<std::ptrdiff_t>(done)),
                   std::make_move_iterator(answers.end()));
  wake_();
}

void StoreReadBack::put(const session::Message& message, session::Message::Spot spot, const store::Body& body,
                        bool wanted) {
  if (!message.absent() || message.lost()) return;  // by another request
  if (!body.empty()) {
    if (!wanted) return;
    message.bring_back(body);
    journal_.note_resident(message.spot().place);
    ++count_;
  } else if (message.spot() == spot) {
    // Elsewhere it may be found by who asks again.
    message.lose();
    ++lost_;
  }
}

}  // namespace shoal::broker
