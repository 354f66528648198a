// A filter and a name, separated by a line feed: the rules of 4.7 and 4.8 written a second time, slowly.
#include <algorithm>
#include <string>

#include "mqtt/topic_name.hpp"
#include "mqtt/utf8.hpp"
#include "target.hpp"

namespace {

using namespace shoal;
using fuzz::check;

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> levels(1);
  for (const char c : text) {
    if (c == '/') levels.emplace_back();
    else levels.back() += c;
  }
  return levels;
}

bool wild(const std::string& level) { return level.find_first_of("+#") != std::string::npos; }

bool is_filter(std::string_view text) {
  const auto levels = split(text);
  for (std::size_t i = 0; i < levels.size(); ++i) {
    if (levels[i] == "#" && i + 1 == levels.size()) continue;
    if (levels[i] != "+" && wild(levels[i])) return false;
  }
  return !text.empty();
}

bool is_name(std::string_view text) {
  const auto levels = split(text);
  return !text.empty() && std::none_of(levels.begin(), levels.end(), wild);
}

bool match(const std::vector<std::string>& filter, const std::vector<std::string>& name, std::size_t at) {
  if (at < filter.size() && filter[at] == "#") return true;
  if (at == filter.size() || at == name.size()) return at == filter.size() && at == name.size();
  return (filter[at] == "+" || filter[at] == name[at]) && match(filter, name, at + 1);
}

bool match(std::string_view filter, std::string_view name) {
  const auto levels = split(filter);
  if (name.front() == '$' && wild(levels.front())) return false;
  return match(levels, split(name), 0);
}

void check_levels(std::string_view text) {
  mqtt::Levels levels(text);
  std::size_t count = 0;
  std::string joined;
  for (std::string_view level; levels.next(level); ++count) {
    if (count > 0) joined += '/';
    joined += level;
  }
  check(joined == text, "levels put together are the text");
  check(count == mqtt::level_count(text), "the levels are counted");
}

void check_shared(std::string_view filter) {
  const auto parts = mqtt::split_shared(filter);
  if (!parts) {
    if (!mqtt::is_shared(filter)) return;
    const auto levels = split(filter);
    const bool valid = levels.size() >= 3 && is_name(levels[1]) &&
                       is_filter(filter.substr(std::string_view("$share/").size() + levels[1].size() + 1));
    check(!valid, "a valid shared filter is taken apart");
    return;
  }
  check("$share/" + std::string(parts->group) + "/" + std::string(parts->filter) == filter, "the parts are the whole");
  check(parts->group.find_first_of("/+#") == std::string_view::npos && !parts->group.empty(), "MQTT-4.8.2-1");
  check(is_filter(parts->filter), "MQTT-4.8.2-2");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t middle = std::min(input.find('\n'), input.size());
  const std::string filter(input.substr(0, middle));
  const std::string name(input.substr(std::min(middle + 1, input.size())));

  check(mqtt::is_topic_filter(filter) == is_filter(filter), "is_topic_filter");
  check(mqtt::is_topic_name(name) == is_name(name), "is_topic_name");
  check_levels(filter);
  check_levels(name);
  check_shared(filter);
  if (is_name(name)) {
    check(mqtt::matches(name, name), "a name matches itself");
    check(mqtt::matches("#", name) == !mqtt::starts_with_dollar(name), "# matches what is not the server's own");
    if (is_filter(filter)) check(mqtt::matches(filter, name) == match(filter, name), "matches");
  }
  return 0;
}

std::vector<fuzz::Seed> fuzz::seeds() {
  std::vector<Seed> seeds;
  for (const char* text : {"sport/tennis/player1/#\nsport/tennis/player1/ranking",
                           "sport/#\nsport",
                           "#\na/b",
                           "sport/tennis/+\nsport/tennis/x",
                           "sport/+\nsport",
                           "sport/+\nsport/",
                           "+/+\n/finance",
                           "/+\n/finance",
                           "+\n/finance",
                           "#\n$SYS/x",
                           "+/monitor/Clients\n$SYS/monitor/Clients",
                           "$SYS/#\n$SYS/",
                           "$SYS/monitor/+\n$SYS/monitor/Clients",
                           "a#\na",
                           "#/a\na",
                           "a/+b\na/b",
                           "a//b\na//b",
                           "a/+/b\na//b",
                           "//\n//",
                           "$share/g/a/#\na/b",
                           "$share/g\na",
                           "$share//a\na",
                           "$share/g+/a\na",
                           "$share/g/\na",
                           "$share/g/#\n$x",
                           "a\na+",
                           "\n",
                           "+/#\na",
                           "$share/g/+/#\n/"}) {
    seeds.push_back(seed(text));
  }
  return seeds;
}
