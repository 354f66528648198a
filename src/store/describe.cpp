#include "store/describe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <vector>

namespace shoal::store {

std::string printable(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) fmt::format_to(std::back_inserter(result), "\\x{:02x}", byte);
    else result += c;
  }
  return result;
}

std::string printable_payload(base::Bytes payload) {
  constexpr std::size_t kShownMax = 64;
  return payload.size() <= kShownMax ? printable(base::as_text(payload)) : fmt::format("({} bytes)", payload.size());
}

namespace {

class Describing {
 public:
  explicit Describing(const Image& image) : image_(image) {}

  std::string run() {
    for (const Image::Session& session : image_.sessions()) describe(session);
    for (const Image::Group& group : image_.groups()) {
      line("group {} number={} waiting={}", printable(group.filter), group.number, group.queue.size());
      for (const Image::GroupWaiting& waiting : group.queue) {
        line("group {} waiting {} {}{}", printable(group.filter), waiting.sequence, message(waiting.message),
             waiting.retain ? " retain" : "");
      }
    }
    for (const Image::RetainedOne& retained : image_.retained()) line("retained {}", message(retained.message));
    std::sort(lines_.begin(), lines_.end());
    std::string text;
    for (const std::string& each : lines_) (text += each) += '\n';
    return text;
  }

 private:
  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    lines_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  std::string message(std::uint64_t number) const {
    const MessageRecord* const record = image_.message(number);
    if (!record) return "?";
    return fmt::format("{}={} q{}{}{}", printable(record->topic), printable_payload(record->payload), record->qos,
                       record->expires != 0 ? fmt::format(" expires={}", record->expires) : "",
                       record->properties.empty() ? "" : fmt::format(" properties={}", record->properties.size()));
  }

  std::string copy(const Image::Copy& copy) const {
    std::string text = copy.message == 0 ? "released" : message(copy.message);
    text += fmt::format(" as q{}{}", copy.qos, copy.retain ? " retain" : "");
    if (copy.group != 0) text += fmt::format(" group={}", copy.group);
    for (const std::uint32_t id : copy.ids) text += fmt::format(" id={}", id);
    return text;
  }

  void describe(const Image::Session& session) {
    const std::string id = printable(session.client_id);
    line("session {} number={} expiry={} {}", id, session.number, session.expiry_s,
         session.since == 0 ? std::string("connected") : fmt::format("since={}", session.since));
    if (session.will) {
      line("session {} will {} delay={}{}{}", id, message(session.will->message), session.will->delay_s,
           session.will->expiry_s ? fmt::format(" expiry={}", *session.will->expiry_s) : "",
           session.will->retain ? " retain" : "");
    }
    for (const auto& [filter, one] : session.subscriptions) {
      line("session {} subscribes {} q{}{}{}{}", id, printable(filter), one.qos, one.no_local ? " no-local" : "",
           one.retain_as_published ? " retain-as-published" : "", one.id != 0 ? fmt::format(" id={}", one.id) : "");
    }
    for (const Image::Flight& flight : session.flights) {
      line("session {} in flight #{} order={} {}{}", id, flight.id, flight.order, copy(flight.copy),
           flight.released ? " PUBREL" : "");
    }
    for (const Image::Waiting& waiting : session.queue) {
      line("session {} waiting {} {}", id, waiting.sequence, copy(waiting.copy));
    }
    for (const std::uint16_t taken : session.taken) line("session {} took #{}", id, taken);
  }

  const Image& image_;
  std::vector<std::string> lines_;
};

}  // namespace

std::string describe(const Image& image) { return Describing(image).run(); }

}  // namespace shoal::store
