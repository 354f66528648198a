// A program for the subscription tree and the retained tree, run on them and on the definition: lists of
// everything there is, and `mqtt::matches`.
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>

#include "mqtt/topic_name.hpp"
#include "target.hpp"
#include "topic/retained_tree.hpp"
#include "topic/subscription_tree.hpp"

namespace {

using namespace shoal;
using fuzz::check;

constexpr const char* kLevels[] = {"a", "b", "", "$SYS", "+", "#", "long level name", "c"};

// Takes the program apart: two bytes of command, then the levels of a path up to 0xff.
class Program {
 public:
  Program(const std::uint8_t* data, std::size_t size) : data_(data), end_(data + size) {}

  bool done() const { return data_ == end_; }
  unsigned byte() { return done() ? 0xff : *data_++; }
  std::string path() {
    std::string text = kLevels[byte() % 8];
    for (unsigned next = byte(); next != 0xff; next = byte()) text += std::string("/") + kLevels[next % 8];
    return text;
  }

 private:
  const std::uint8_t* data_;
  const std::uint8_t* end_;
};

struct Subscription {
  topic::SubscriptionTree::Handle handle;
  mqtt::SubscriptionOptions options;
  std::uint32_t id;
};

// One subscriber's copy, as the standard defines it.
struct Copy {
  std::uint8_t qos = 0;
  bool retain_as_published = false;
  bool no_local = false;
  std::multiset<std::uint32_t> ids;
  bool operator==(const Copy&) const = default;
};

using Copies = std::map<const topic::Subscriber*, Copy>;

Copies copies(const topic::Matches& matches) {
  Copies copies;
  for (const topic::Match& match : matches.list) {
    check(!copies.contains(match.subscriber), "a subscriber is there once");
    const auto ids = matches.ids.begin() + match.first_id;
    copies[match.subscriber] = {match.qos, match.retain_as_published, match.no_local, {ids, ids + match.id_count}};
  }
  return copies;
}

class Model {
 public:
  void run(Program& program) {
    const unsigned command = program.byte();
    const unsigned detail = program.byte();
    const std::string path = program.path();
    const unsigned who = detail % 4;
    switch (command % 6) {
      case 0:
      case 1: subscribe(who, path, mqtt::SubscriptionOptions::from_byte(detail >> 2 & 0x0f), command >> 4); break;
      case 2: unsubscribe(who, path); break;
      case 3: match(path, who); break;
      case 4: retain(path, command & 0x80 ? 0 : static_cast<int>(detail) + 1); break;
      default: retained(path); break;
    }
    check(tree_.size() == subscriptions_.size(), "subscriptions are counted");
    check(retained_.size() == messages_.size(), "messages are counted");
  }

  // Everything goes, one by one.
  void finish() {
    while (!subscriptions_.empty()) {
      const auto [who, filter] = subscriptions_.begin()->first;
      unsubscribe(who, filter);
    }
    for (const auto& [name, message] : messages_) retained_.set(name, 0);
    check(tree_.size() == 0 && retained_.size() == 0, "nothing is left");
    int seen = 0;
    retained_.each("#", [&](int) { ++seen; });
    check(seen == 0 && tree_.match("a").list.empty(), "nobody is left");
  }

 private:
  void subscribe(unsigned who, const std::string& filter, mqtt::SubscriptionOptions options, std::uint32_t id) {
    if (!mqtt::is_topic_filter(filter)) return;
    if (options.qos == 3) options.qos = 2;
    const auto found = subscriptions_.find({who, filter});
    if (found != subscriptions_.end()) {
      found->second.options = options;
      found->second.id = id;
      tree_.update(found->second.handle, options, id);
      return;
    }
    const auto handle = tree_.subscribe(filter, &subscribers_[who], options, id);
    check(tree_.filter(handle) == filter && tree_.find(filter) == tree_.node(handle), "a filter is found again");
    subscriptions_[{who, filter}] = {handle, options, id};
  }

  void unsubscribe(unsigned who, const std::string& filter) {
    const auto found = subscriptions_.find({who, filter});
    if (found == subscriptions_.end()) return;
    check(tree_.filter(found->second.handle) == filter, "a filter keeps its name");
    tree_.unsubscribe(found->second.handle);
    subscriptions_.erase(found);
  }

  void match(const std::string& name, unsigned who) {
    if (!mqtt::is_topic_name(name)) return;
    Copies all;
    Copies own;
    for (const auto& [key, subscription] : subscriptions_) {
      if (!mqtt::matches(key.second, name)) continue;
      const topic::Subscriber* subscriber = &subscribers_[key.first];
      add(all[subscriber], subscription);
      if (key.first == who && !subscription.options.no_local) add(own[subscriber], subscription);
    }
    check(copies(tree_.match(name)) == all, "match");
    topic::Matches matches;
    tree_.match_own(name, &subscribers_[who], matches);
    check(copies(matches) == own, "match_own");
    check(copies(tree_.match(name)) == all, "match, once more");
  }

  static void add(Copy& copy, const Subscription& subscription) {
    copy.qos = std::max(copy.qos, subscription.options.qos);
    copy.retain_as_published |= subscription.options.retain_as_published;
    copy.no_local |= subscription.options.no_local;
    if (subscription.id != 0) copy.ids.insert(subscription.id);
  }

  void retain(const std::string& name, int message) {
    if (!mqtt::is_topic_name(name)) return;
    const auto found = messages_.find(name);
    const int old = found == messages_.end() ? 0 : found->second;
    check(retained_.find(name) == old, "a message is found");
    check(retained_.set(name, message) == old, "a message is replaced");
    if (message != 0) messages_[name] = message;
    else messages_.erase(name);
  }

  void retained(const std::string& filter) {
    if (!mqtt::is_topic_filter(filter)) return;
    std::multiset<int> expected;
    for (const auto& [name, message] : messages_) {
      if (mqtt::matches(filter, name)) expected.insert(message);
    }
    std::multiset<int> seen;
    retained_.each(filter, [&](int message) { seen.insert(message); });
    check(seen == expected, "retained messages");
  }

  topic::Subscriber subscribers_[4];
  topic::SubscriptionTree tree_;
  std::map<std::pair<unsigned, std::string>, Subscription> subscriptions_;
  topic::RetainedTree<int> retained_;
  std::map<std::string, int> messages_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Program program(data, size);
  Model model;
  while (!program.done()) model.run(program);
  model.finish();
  return 0;
}

std::vector<fuzz::Seed> fuzz::seeds() {
  std::vector<Seed> seeds;
  std::mt19937 random(17);
  for (int i = 0; i < 50; ++i) {
    Seed program;
    for (int steps = 0; steps < 150; ++steps) {
      program.push_back(static_cast<std::uint8_t>(random()));
      program.push_back(static_cast<std::uint8_t>(random()));
      const unsigned levels = i == 0 ? 40 : 1 + random() % 4;
      for (unsigned level = 0; level < levels; ++level) {
        // # only at the end makes most paths valid.
        const unsigned choice = random() % 8;
        program.push_back(static_cast<std::uint8_t>(choice == 5 && level + 1 < levels ? 4 : choice));
      }
      program.push_back(0xff);
    }
    seeds.push_back(program);
  }
  return seeds;
}
