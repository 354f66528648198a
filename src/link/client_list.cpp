#include "link/client_list.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace shoal::link {
namespace {

// Room for the message's other fields.
constexpr std::size_t kClientsBytesMax = kMessageBytesMax - 4096;
constexpr std::size_t kClientsMax = kFieldsMax - 16;

// Texts first; what stands between is in no UTF-8 string of MQTT (MQTT-1.5.4-2).
constexpr char kBetween = '\0';
constexpr std::array kTexts{&ClientInfo::client_id, &ClientInfo::user, &ClientInfo::address, &ClientInfo::protocol};
constexpr std::array kNumbers{&ClientInfo::connected_s,     &ClientInfo::keep_alive_s, &ClientInfo::subscriptions,
                              &ClientInfo::queued_messages, &ClientInfo::queued_bytes, &ClientInfo::in_flight};

// Not in the middle of a character.
std::string_view cut(std::string_view text) {
  if (text.size() <= kClientTextMax) return text;
  std::size_t end = kClientTextMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

std::string line_of(const ClientInfo& client) {
  std::string line;
  for (const auto text : kTexts) (line += cut(client.*text)) += kBetween;
  for (const auto number : kNumbers) (line += std::to_string(client.*number)) += kBetween;
  return line;
}

bool read(std::string_view line, ClientInfo& client) {
  const auto next = [&line](std::string_view& part) {
    const std::size_t end = line.find(kBetween);
    if (end == std::string_view::npos) return false;
    part = line.substr(0, end);
    line.remove_prefix(end + 1);
    return true;
  };
  std::string_view part;
  for (const auto text : kTexts) {
    if (!next(part)) return false;
    client.*text = part;
  }
  for (const auto number : kNumbers) {
    if (!next(part)) return false;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), client.*number);
    if (error != std::errc() || end != part.data() + part.size()) return false;
  }
  return true;
}

// `client=LINE` and its end, with what is escaped.
std::size_t size_on_wire(const std::string& line) {
  const auto escaped = std::count_if(line.begin(), line.end(), [](char c) { return c == '\\' || c == '\n'; });
  return line.size() + static_cast<std::size_t>(escaped) + sizeof "client=";
}

}  // namespace

Message to_message(std::string_view instance, const ClientPage& page) {
  Message message(type::kClients);
  message.add("name", instance);
  std::uint64_t next = page.next;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < page.clients.size(); ++i) {
    const std::string line = line_of(page.clients[i]);
    bytes += size_on_wire(line);
    if (i == kClientsMax || bytes > kClientsBytesMax) {
      next = page.clients[i - 1].next;
      break;
    }
    message.add("client", std::string_view(line));
  }
  return message.add("next", next);
}

ClientPage client_page_from(const Message& message) {
  ClientPage page;
  page.next = message.number("next").value_or(0);
  for (const auto& [key, value] : message.fields()) {
    ClientInfo client;
    if (key == "client" && read(value, client)) page.clients.push_back(std::move(client));
  }
  return page;
}

}  // namespace shoal::link
