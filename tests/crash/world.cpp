#include "world.hpp"

#include <poll.h>

#include <algorithm>
#include <cstdio>

namespace shoal::crash {
namespace {

// Much longer than a slow machine with sanitizers takes for what usually takes milliseconds.
constexpr milliseconds kPatience{30'000};

}  // namespace

World::World(std::uint64_t seed, Serving serving, bool verbose)
    : verbose_(verbose), random_(seed), server_(std::move(serving)) {}

void World::remove(Client& client) {
  std::erase_if(clients_, [&](const auto& one) { return one.get() == &client; });
}

void World::turn(milliseconds wait) {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    clients_[i]->act();
    clients_[i]->work();
  }
  std::vector<pollfd> waiting;
  std::vector<Client*> of;
  for (const auto& client : clients_) {
    if (!client->wire().is_open()) continue;
    waiting.push_back({.fd = client->wire().fd(), .events = client->wire().events(), .revents = 0});
    of.push_back(client.get());
  }
  ::poll(waiting.data(), waiting.size(), static_cast<int>(wait.count()));
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    if ((waiting[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0) of[i]->read();
  }
  if (!server_.running()) fail("the server ended by itself");
}

void World::run_for(milliseconds length) {
  const auto end = Clock::now() + length;
  while (Clock::now() < end && !server_.struck()) turn(milliseconds(1));
}

void World::run_for(milliseconds length, mqtt::PacketType strike_at) {
  strike_at_ = strike_at;
  run_for(length);
  strike_at_.reset();
}

void World::came(mqtt::PacketType type) {
  if (strike_at_ != type) return;
  server_.strike();
  strike_at_.reset();
}

void World::run_until(const std::function<bool()>& done, const std::string& what) {
  const auto end = Clock::now() + kPatience;
  while (!done()) {
    if (Clock::now() > end) {
      std::string who;
      for (const auto& client : clients_) {
        if (client->unsettled()) who += " " + client->id() + " (connection)";
        if (!client->idle()) who += " " + client->id() + " (acknowledgements)";
      }
      fail("does not come: " + what + (who.empty() ? "" : "; waiting:" + who));
    }
    turn(milliseconds(2));
  }
}

void World::kill() {
  if (!server_.kill()) fail("the server ended by itself");
  ++kills;
  killed_at_ = Clock::now();
  // Its sockets are closed by now, but for those of the backlog, which nobody had accepted.
  for (const auto& client : clients_) {
    // What leaves a host that dies need not arrive: acknowledgements that are lost make others send again.
    const bool loses_it = random_.chance(40);
    const auto end = Clock::now() + kPatience;
    while (!client->read_rest(loses_it)) {
      if (Clock::now() > end) fail("client " + client->id() + ": its connection survives the server");
    }
  }
}

void World::acknowledged(Clock::time_point sent) {
  committed_ = std::max(committed_, sent);
  last_acknowledgement_ = Clock::now();
}

void World::say(const std::string& what) const {
  if (verbose_) std::fprintf(stderr, "round %u: %s\n", round, what.c_str());
}

void World::fail(const std::string& what) const { throw Failure("round " + std::to_string(round) + ": " + what); }

}  // namespace shoal::crash
