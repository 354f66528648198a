// What a store makes of its files: those that a program wrote, whole or damaged, and those that nobody wrote.
#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <random>

#include "recovery/kept.hpp"
#include "simulated_disk/simulated_disk.hpp"
#include "store/describe.hpp"
#include "store/log.hpp"
#include "target.hpp"

namespace {

using namespace shoal;
using fuzz::check;
using fuzz::Kept;

constexpr std::size_t kStepsMax = 120;

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), end_(data + size) {}

  bool done() const { return data_ == end_; }
  unsigned byte() { return done() ? 0 : *data_++; }
  std::vector<std::uint8_t> bytes(std::size_t most) {
    std::vector<std::uint8_t> bytes;
    while (!done() && bytes.size() < most) bytes.push_back(*data_++);
    return bytes;
  }

 private:
  const std::uint8_t* data_;
  const std::uint8_t* end_;
};

struct Found {
  store::LogContent content;
  store::Image image;
  store::Image::Missing missing;
  std::string text;
};

std::optional<Found> read(store::SimulatedDisk& disk) {
  const auto folder = disk.open();
  auto content = store::read_log(*folder);
  if (!content) return {};
  Found found{std::move(*content), {}, {}, {}};
  std::uint64_t last = 0;
  for (const auto& segment : found.content.segments) {
    check(segment.whole <= segment.size || segment.batches.empty(), "a segment ends in its file");
    for (const auto& batch : segment.batches) {
      check(batch.number > last, "batches are in order and there once");
      last = batch.number;
      (void)found.image.apply_all(batch.records, segment.header.number);
    }
  }
  found.missing = found.image.finish();
  found.text = fuzz::text(found.image);
  (void)store::describe(found.image);
  return found;
}

// Whatever was there, the store goes on, and what is written now is there the next time.
void go_on(store::SimulatedDisk& disk) {
  std::uint64_t number = 0;
  {
    auto folder = disk.open();
    auto content = store::read_log(*folder);
    if (!content) return;
    auto log = store::Log::open(std::move(folder), {}, *content, 1, nullptr);
    check(log.ok(), "a store opens");
    number = (*log)->number();
    (*log)->batch().put(store::RetainedGone{"written now"});
    (*log)->end_batch(2);
    check((*log)->committed() == number, "it can be written to");
  }
  const auto found = read(disk);
  check(found && !found->content.segments.empty() && !found->content.segments.back().batches.empty() &&
            found->content.segments.back().batches.back().number == number,
        "what is written to a damaged store is read again");
}

// Tells a store what a program says and ends its process now and then.
class Program {
 public:
  explicit Program(Input& input) : input_(input) {
    options_.segment_bytes = 200 + 20 * (input.byte() % 64);
    options_.slow = std::chrono::hours(1);
    if (input.byte() % 2 != 0) options_.durability = store::Durability::power;
    kept_.messages = &messages_;
    after_[0] = kept_;
    open();
  }
  ~Program() {
    log_.reset();
    background_.forget();
  }

  void run() {
    for (std::size_t steps = 0; steps < kStepsMax && !input_.done(); ++steps) step();
    end_batch();
    reopen();
    log_.reset();
    damage();
  }

 private:
  void open() {
    auto folder = disk_.open();
    const auto content = store::read_log(*folder);
    check(content.ok(), "a store can be read");
    auto log = store::Log::open(std::move(folder), options_, *content, 1, &background_);
    check(log.ok(), "a store opens");
    log_ = std::move(*log);
  }

  void end_batch() {
    const std::uint64_t number = log_->number();
    const bool empty = log_->batch().empty();
    log_->end_batch(++now_);
    if (!empty) after_[number] = kept_;
    while (after_.begin()->first < log_->committed()) after_.erase(after_.begin());
  }

  // The process ends, what is read is what was kept after some batch that was not committed yet, or the last that was.
  void reopen() {
    const std::uint64_t promised = log_->committed();
    disk_.stop_process();
    log_.reset();
    background_.forget();
    disk_.end_process();
    const auto found = read(disk_);
    check(found.has_value(), "a store can be read");
    check(found->content.report.damages.empty(), "a store without damage has none");
    check(found->missing.all() == 0, "nothing is missing");
    std::uint64_t last = promised;
    for (const auto& segment : found->content.segments) {
      if (!segment.batches.empty()) last = segment.batches.back().number;
    }
    check(last >= promised, "what was committed is there");
    check(after_.contains(last), "a batch that is read was written");
    kept_ = after_.at(last);
    check(found->text == kept_.text(), "what is read is what was told");
    // Where nothing is live and everything was cleared nobody knows the numbers any more.
    const auto& segments = found->content.segments;
    if (std::all_of(segments.begin(), segments.end(), [](const auto& each) { return each.batches.empty(); })) last = 0;
    after_.clear();
    after_[last] = kept_;
    open();
    check(log_->committed() == last && log_->number() == last + 1, "numbers go on");
  }

  std::uint64_t publish(unsigned topic) {
    const std::uint64_t number = messages_.size() + 1;
    const std::string name = "topic/" + std::to_string(topic % 5);
    const std::string payload = "payload " + std::to_string(number) + std::string(topic, '.');
    messages_[number] = {name, payload};
    log_->batch().put(store::MessageRecord{number, 0, 1, name, {}, base::as_bytes(payload)});
    return number;
  }

  template <class Things>
  static auto pick(Things& things, unsigned which) {
    auto at = things.begin();
    if (!things.empty()) std::advance(at, which % things.size());
    return at;
  }

  void step() {
    const unsigned command = input_.byte() % 22;
    const unsigned detail = input_.byte();
    store::RecordWriter& batch = log_->batch();
    const auto at = pick(kept_.sessions, detail);
    const bool have = at != kept_.sessions.end();
    const auto group = pick(kept_.groups, detail);
    switch (command) {
      case 0:
      case 1: end_batch(); return;
      case 2: {
        Kept::Session& made = kept_.sessions[++sessions_];
        made.client_id = "client " + std::to_string(sessions_);
        made.sequence = made.order = detail % 2 == 0 ? 0xfffffffe : 0;
        return tell(sessions_, made);
      }
      case 3:
        kept_.groups[++groups_].filter = "$share/g/" + std::to_string(detail);
        return batch.put(store::GroupRecord{groups_, kept_.groups[groups_].filter});
      case 4: {
        const std::uint64_t number = publish(detail);
        kept_.retained[messages_[number].topic] = number;
        return batch.put(store::Retained{number, messages_[number].topic});
      }
      case 5: {
        const std::string topic = "topic/" + std::to_string(detail % 5);
        kept_.retained.erase(topic);
        return batch.put(store::RetainedGone{topic});
      }
      case 6: return retell(detail);
      case 7: return reopen();
      case 8: background_.run_one(); return log_->retry();
      case 9: return disk_.fail_at(disk_.operations() + 1 + detail % 8, detail % 3 == 0 ? ENOSPC : EIO, detail);
      case 10: background_.finish(); return;
      case 11:
        if (group == kept_.groups.end()) return;
        group->second.queue[group->second.sequence] = publish(detail);
        return batch.put(store::GroupQueued{group->first, group->second.sequence++, messages_.size(), false});
      case 12:
        if (group == kept_.groups.end() || group->second.queue.empty()) return;
        batch.put(store::GroupUnqueued{group->first, group->second.queue.begin()->first});
        group->second.queue.erase(group->second.queue.begin());
        return;
      case 13:
        if (group == kept_.groups.end()) return;
        batch.put(store::GroupGone{group->first});
        kept_.groups.erase(group);
        return;
      default:
        if (have) of_session(command, detail, at->first, at->second);
    }
  }

  void of_session(unsigned command, unsigned detail, std::uint64_t number, Kept::Session& session) {
    store::RecordWriter& batch = log_->batch();
    const std::string filter = "filter/" + std::to_string(detail % 3);
    const auto flight = pick(session.flights, detail);
    switch (command) {
      case 14:
        batch.put(store::SessionGone{number});
        kept_.sessions.erase(number);
        return;
      case 15:
        session.expiry_s = detail;
        session.will = detail % 2 == 0 ? publish(detail) : 0;
        return tell(number, session);
      case 16:
        if (detail % 4 == 0 && session.subscriptions.erase(filter) != 0)
          return batch.put(store::SubscriptionGone{number, filter});
        session.subscriptions[filter] = static_cast<std::uint8_t>(detail % 3);
        return batch.put(store::SubscriptionRecord{number, filter, session.subscriptions[filter], false, false, 0});
      case 17: {
        const std::uint64_t message = publish(detail);
        // Wrapping numbers would not be in the order of the map.
        const std::uint32_t sequence =
            session.sequence == 0xffffffff && session.queue.empty() ? session.sequence = 0 : session.sequence;
        if (sequence == 0xffffffff) return;
        session.queue[session.sequence++] = message;
        return batch.put(store::Queued{number, sequence, {message, 1, false, 0, {}}});
      }
      case 18: {
        if (session.queue.empty()) return;
        const auto [sequence, message] = *session.queue.begin();
        session.queue.erase(session.queue.begin());
        if (detail % 4 == 0 || session.order == 0xffffffff) return batch.put(store::Unqueued{number, sequence});
        const std::uint16_t id = ++session.id;
        session.flights[id] = {session.order, message};
        return batch.put(store::Sent{number, sequence, id, session.order++});
      }
      case 19:
        if (flight == session.flights.end()) return;
        flight->second.message = 0;
        return batch.put(store::Received{number, flight->first});
      case 20:
        if (flight == session.flights.end()) return;
        batch.put(store::Finished{number, flight->first});
        session.flights.erase(flight);
        return;
      default: {
        const auto id = static_cast<std::uint16_t>(1 + detail % 8);
        if (session.taken.erase(id) != 0) return batch.put(store::Released{number, id});
        session.taken.insert(id);
        return batch.put(store::Taken{number, id});
      }
    }
  }

  void tell(std::uint64_t number, const Kept::Session& session) {
    store::SessionRecord record{number, session.client_id, session.expiry_s, 0, {}};
    if (session.will != 0) record.will.emplace().message = session.will;
    log_->batch().put(record);
  }

  // All that is live once more, so that older segments can go.
  void retell(unsigned segments) {
    end_batch();
    if (log_->oldest() == log_->place()) return;
    const auto place = log_->place();
    kept_.tell(log_->batch());
    const std::uint64_t number = log_->batch().empty() ? log_->number() - 1 : log_->number();
    end_batch();
    for (unsigned i = 0; i <= segments % 3 && log_->oldest() != place; ++i) log_->drop_oldest(number);
  }

  // The rest of the input is what happens to the files.
  void damage() {
    const auto names = disk_.names();
    for (int changes = 0; changes < 8 && !input_.done() && !names.empty(); ++changes) {
      const std::string& name = names[input_.byte() % names.size()];
      const unsigned how = input_.byte();
      const std::size_t where = input_.byte() << 8 | input_.byte();
      disk_.change(name, [&](auto& content) {
        if (content.empty()) return;
        const auto place = content.begin() + static_cast<std::ptrdiff_t>(where % content.size());
        if (how % 4 == 0) *place ^= static_cast<std::uint8_t>(how | 1);
        else if (how % 4 == 1) content.erase(place, content.end());
        else if (how % 4 == 2) content.insert(place, how, std::uint8_t{0});
        else content.insert(place, content.begin(), content.begin() + static_cast<std::ptrdiff_t>(content.size() / 2));
      });
    }
    const auto found = read(disk_);
    if (found) {
      for (const auto& [number, told] : messages_) {
        const store::MessageRecord* const message = found->image.message(number);
        if (!message) continue;
        check(message->topic == told.topic && base::as_text(message->payload) == told.payload,
              "a message that is found was published");
      }
      check(found->image.last_message() <= messages_.size(), "no message is invented");
      check(found->image.last_session() <= sessions_, "no session is invented");
    }
    go_on(disk_);
  }

  Input& input_;
  store::SimulatedDisk disk_;
  store::ManualBackground background_;
  store::LogOptions options_;
  std::unique_ptr<store::Log> log_;
  Kept kept_;
  std::map<std::uint64_t, Kept> after_;              // by batch
  std::map<std::uint64_t, Kept::Message> messages_;  // those of batches that were lost, too
  std::uint64_t sessions_ = 0;
  std::uint32_t groups_ = 0;
  store::WallMs now_ = 1;
};

// Files that nobody wrote: as they are, or the records of whole batches.
void run_bytes(Input& input, bool as_records) {
  store::SimulatedDisk disk;
  std::uint64_t number = 0;
  while (!input.done() && number < 8) {
    store::SimulatedDisk::Content content;
    if (!as_records) {
      content = input.bytes(input.byte() << 8 | input.byte());
    } else {
      content.resize(store::kSegmentHeaderBytes);
      store::encode({.salt = 1, .number = number + 1}, content.data());
      std::vector<std::uint8_t> batch(store::kBatchHeaderBytes);
      const auto records = input.bytes(1 + input.byte());
      batch.insert(batch.end(), records.begin(), records.end());
      store::seal_batch(batch, 1, number + 1, 1);
      content.insert(content.end(), batch.begin(), batch.end());
    }
    disk.put(store::segment_name(++number), content);
  }
  (void)read(disk);
  go_on(disk);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  switch (input.byte() % 4) {
    case 0: run_bytes(input, false); break;
    case 1: run_bytes(input, true); break;
    default: Program(input).run();
  }
  return 0;
}

std::vector<fuzz::Seed> fuzz::seeds() {
  std::vector<Seed> seeds;
  std::mt19937 random(23);
  for (int i = 0; i < 40; ++i) {
    Seed program = {2, static_cast<std::uint8_t>(random()), static_cast<std::uint8_t>(i), 2, 0, 2, 1, 3, 0};
    for (int steps = 20 + i * 7; steps > 0; --steps) {
      // Enough batches, and few ends of the process.
      const unsigned command = random() % 22;
      program.push_back(static_cast<std::uint8_t>(command == 7 && random() % 4 != 0 ? 0 : command));
      program.push_back(static_cast<std::uint8_t>(random()));
    }
    seeds.push_back(program);
  }
  // A record of each kind.
  store::RecordWriter writer;
  Kept kept;
  const std::map<std::uint64_t, Kept::Message> messages = {{1, {"t", "p"}}};
  kept.messages = &messages;
  kept.retained["t"] = 1;
  Kept::Session& session = kept.sessions[1];
  session = {"c", 60, 1, {{"f", 1}}, {{5, 1}}, {{1, {0, 1}}, {2, {1, 0}}}, {7}, 0, 0, 0};
  kept.groups[1] = {"$share/g/f", {{3, 1}}, 0};
  kept.tell(writer);
  Seed records = {1, static_cast<std::uint8_t>(writer.size() - 1)};
  records.insert(records.end(), writer.bytes().begin(), writer.bytes().end());
  seeds.push_back(records);
  // A segment as it is.
  Seed file = {0, 0, 200};
  std::vector<std::uint8_t> header(store::kSegmentHeaderBytes);
  store::encode({.salt = 1, .number = 1}, header.data());
  file.insert(file.end(), header.begin(), header.end());
  std::vector<std::uint8_t> batch(store::kBatchHeaderBytes);
  batch.insert(batch.end(), writer.bytes().begin(), writer.bytes().end());
  store::seal_batch(batch, 1, 1, 1);
  file.insert(file.end(), batch.begin(), batch.end());
  seeds.push_back(file);
  return seeds;
}
