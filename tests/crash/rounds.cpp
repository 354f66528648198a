#include "rounds.hpp"

#include <algorithm>

#include "expiry.hpp"
#include "membership.hpp"
#include "pubsub.hpp"
#include "retained.hpp"
#include "wills.hpp"

namespace shoal::crash {
namespace {

using mqtt::PacketType;
using mqtt::Version;

class Rounds {
 public:
  explicit Rounds(World& world) : world_(world) {
    publishers_ = {&world_.add<Publisher>(ClientOptions{.id = "pub-0"}, "p/0"),
                   &world_.add<Publisher>(ClientOptions{.id = "pub-1", .version = Version::v3_1_1}, "p/1"),
                   &world_.add<Publisher>(ClientOptions{.id = "pub-2"}, "p/2"),
                   &world_.add<Publisher>(ClientOptions{.id = "pub-3", .version = Version::v3_1_1}, "s/3", false)};
    subscriber("steady-5", Version::v5, {{"p/#", 2}}, {});
    subscriber("steady-3", Version::v3_1_1, {{"p/#", 2}}, {.slow = true});
    subscriber("guest-5", Version::v5, {{"p/#", 2}}, {.comes_and_goes = true});
    subscriber("guest-3", Version::v3_1_1, {{"p/+/a/#", 1}}, {.comes_and_goes = true});
    subscriber("guest-few", Version::v5, {{"p/+/b/#", 2}}, {.comes_and_goes = true, .receive_max = 5});
    subscriber("slow-few", Version::v5, {{"p/1/#", 2}}, {.slow = true, .receive_max = 5});
    subscriber("overlapping", Version::v5, {{"p/#", 1, 1}, {"p/0/#", 2, 2}, {"p/+/b/#", 1, 3}, {"p/0/b/2", 2, 4}},
               {.comes_and_goes = true, .slow = true});
    subscribers_.push_back(&world_.add<Member>(ClientOptions{.id = "member-5"}, "s/#", shared_));
    subscribers_.push_back(
        &world_.add<Member>(ClientOptions{.id = "member-3", .version = Version::v3_1_1}, "s/#", shared_));
    retained_ = &world_.add<RetainedUpdater>(ClientOptions{.id = "retained"});
    prober_ = &world_.add<Prober>(ClientOptions{.id = "prober"});
    fickle_ = {&world_.add<Fickle>(ClientOptions{.id = "fickle-5"}),
               &world_.add<Fickle>(ClientOptions{.id = "fickle-3", .version = Version::v3_1_1})};
    watcher_ = &world_.add<WillWatcher>(ClientOptions{.id = "watcher"}, book_);
    world_.add<WillOwner>(ClientOptions{.id = "will-now-5"}, book_, 0u);
    world_.add<WillOwner>(ClientOptions{.id = "will-now-3", .version = Version::v3_1_1}, book_, 0u);
    world_.add<WillOwner>(ClientOptions{.id = "will-clean", .version = Version::v3_1_1, .clean = true}, book_, 0u);
    for (const char* id : {"will-later-0", "will-later-1", "will-later-2"}) {
      world_.add<WillOwner>(ClientOptions{.id = id}, book_, 1u);
    }
    for (const char* id : {"brief-0", "brief-1", "brief-2", "brief-3"}) world_.add<Brief>(id);
  }

  void run(unsigned rounds) {
    set_up();
    while (world_.round < rounds) {
      ++world_.round;
      traffic();
      world_.kill();
      world_.say(std::to_string(world_.ledger().published) + " published, " + std::to_string(world_.ledger().received) +
                 " received");
      while (world_.random().chance(25)) {  // once more before anything is settled, or even begun
        world_.server().start();
        world_.run_for(milliseconds(world_.random().between(0, 120)));
        world_.kill();
      }
      if (world_.random().chance(4)) world_.run_for(milliseconds(world_.random().between(300, 2'500)));
      world_.server().start();
      settle();
      check_retained();
      for (Fickle* fickle : fickle_) check_subscriptions(*fickle);
      if (world_.random().chance(30)) drain();
      check_log();
    }
    drain();
    check_log();
  }

 private:
  void subscriber(const char* id, Version version, std::vector<Subscriber::Subscription> subscriptions, Habits habits) {
    subscribers_.push_back(
        &world_.add<Subscriber>(ClientOptions{.id = id, .version = version}, std::move(subscriptions), habits));
  }

  bool settled() const {
    return std::none_of(world_.clients().begin(), world_.clients().end(),
                        [](const auto& client) { return client->unsettled(); });
  }

  // Everybody is there and has subscribed before the first message.
  void set_up() {
    world_.set_calm(true);
    world_.server().start();
    world_.run_until(
        [&] {
          return settled() && watcher_->subscribed() &&
                 std::all_of(subscribers_.begin(), subscribers_.end(),
                             [](const Subscriber* one) { return one->subscribed(); });
        },
        "the first connections");
  }

  void traffic() {
    for (Publisher* publisher : publishers_) publisher->begin_round();
    world_.set_calm(false);
    world_.run_for(milliseconds(world_.random().between(10, 200)));
    if (world_.random().chance(50)) strike();
  }

  // Not at any moment, but when the server has just told somebody something.
  void strike() {
    static constexpr PacketType kTypes[] = {PacketType::connack, PacketType::publish,  PacketType::puback,
                                            PacketType::pubrec,  PacketType::pubrel,   PacketType::pubcomp,
                                            PacketType::suback,  PacketType::unsuback, PacketType::puback};
    world_.run_for(milliseconds(60), kTypes[world_.random().below(std::size(kTypes))]);
  }

  void settle() {
    world_.set_calm(true);
    world_.run_until([&] { return settled(); }, "connections after the restart");
  }

  void check_retained() {
    auto& check = world_.add<RetainedCheck>(
        ClientOptions{.id = "fresh-" + std::to_string(world_.round), .clean = true, .expiry_s = 0}, *retained_);
    world_.run_until([&] { return check.done(); }, "retained messages");
    check.leave();
    world_.remove(check);
  }

  void check_subscriptions(Fickle& fickle) {
    world_.run_until([&] { return fickle.ready() && prober_->online(); }, "acknowledgements of subscriptions");
    prober_->probe(fickle);
    world_.run_until([&] { return fickle.probed() && prober_->idle(); }, "the probe of subscriptions");
    fickle.judge();
  }

  void drain() {
    world_.set_calm(true);
    world_.set_draining(true);
    std::string missing;
    const auto done = [&] {
      if (!settled() || !book_.complete()) return false;
      for (const auto& client : world_.clients()) {
        if (!client->idle()) return false;
      }
      return std::all_of(subscribers_.begin(), subscribers_.end(),
                         [](const Subscriber* one) { return one->complete(); });
    };
    try {
      world_.run_until(done, "what should be delivered");
    } catch (const Failure& failure) {
      std::string text = failure.what();
      for (const Subscriber* one : subscribers_) {
        if (!one->complete()) text += "\n  missing: " + one->missing();
      }
      if (!book_.complete()) text += "\n  missing: " + book_.missing();
      throw Failure(text);
    }
    world_.set_draining(false);
    world_.say("nothing is missing");
  }

  void check_log() {
    const std::string complaints = world_.server().complaints();
    if (!complaints.empty()) world_.fail("the server's log:\n" + complaints);
  }

  World& world_;
  std::vector<Publisher*> publishers_;
  std::vector<Subscriber*> subscribers_;
  SharedReceived shared_;
  RetainedUpdater* retained_ = nullptr;
  Prober* prober_ = nullptr;
  std::vector<Fickle*> fickle_;
  WillBook book_;
  WillWatcher* watcher_ = nullptr;
};

}  // namespace

void run_rounds(World& world, unsigned rounds) { Rounds(world).run(rounds); }

}  // namespace shoal::crash
