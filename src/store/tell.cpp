#include "store/tell.hpp"

#include <unordered_set>

namespace shoal::store {
namespace {

class Telling {
 public:
  Telling(const Image& image, RecordWriter& writer, std::size_t batch_bytes, const std::function<void()>& full)
      : image_(image), writer_(writer), batch_bytes_(batch_bytes), full_(full) {}

  void run() {
    for (const Image::Group& group : image_.groups()) tell(group);
    for (const Image::Session& session : image_.sessions()) tell(session);
    for (const Image::RetainedOne& retained : image_.retained()) {
      message(retained.message);
      put(Retained{retained.message, retained.topic});
    }
  }

 private:
  template <class R>
  void put(const R& record) {
    writer_.put(record);
    if (writer_.size() >= batch_bytes_) full_();
  }

  void message(std::uint64_t number) {
    const MessageRecord* const record = image_.message(number);
    if (record && told_.insert(number).second) put(*record);
  }

  static CopyRecord copy(const Image::Copy& copy) {
    return {copy.message, copy.qos, copy.retain, copy.group, copy.ids};
  }

  void tell(const Image::Group& group) {
    put(GroupRecord{group.number, group.filter});
    for (const Image::GroupWaiting& waiting : group.queue) {
      message(waiting.message);
      put(GroupQueued{group.number, waiting.sequence, waiting.message, waiting.retain});
    }
  }

  void tell(const Image::Session& session) {
    if (session.will) message(session.will->message);
    put(SessionRecord{session.number, session.client_id, session.expiry_s, session.since, session.will});
    for (const auto& [filter, subscription] : session.subscriptions) put(subscription);
    for (const Image::Flight& flight : session.flights) {
      message(flight.copy.message);
      put(InFlight{session.number, flight.id, flight.order, flight.released, copy(flight.copy)});
    }
    for (const Image::Waiting& waiting : session.queue) {
      message(waiting.copy.message);
      put(Queued{session.number, waiting.sequence, copy(waiting.copy)});
    }
    for (const std::uint16_t id : session.taken) put(Taken{session.number, id});
  }

  const Image& image_;
  RecordWriter& writer_;
  std::size_t batch_bytes_;
  const std::function<void()>& full_;
  std::unordered_set<std::uint64_t> told_;
};

}  // namespace

void tell(const Image& image, RecordWriter& writer, std::size_t batch_bytes, const std::function<void()>& full) {
  Telling(image, writer, batch_bytes, full).run();
}

}  // namespace shoal::store
