#include "api/client_list.hpp"

#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <utility>

#include "api/json_members.hpp"

namespace shoal::api {
namespace {

namespace json = boost::json;

constexpr std::array<std::pair<const char*, std::string ClientInfo::*>, 4> kTexts{
    {{"client_id", &ClientInfo::client_id},
     {"user", &ClientInfo::user},
     {"address", &ClientInfo::address},
     {"protocol", &ClientInfo::protocol}}};
constexpr std::array<std::pair<const char*, std::uint64_t ClientInfo::*>, 6> kNumbers{
    {{"connected_s", &ClientInfo::connected_s},
     {"keep_alive_s", &ClientInfo::keep_alive_s},
     {"subscriptions", &ClientInfo::subscriptions},
     {"queued_messages", &ClientInfo::queued_messages},
     {"queued_bytes", &ClientInfo::queued_bytes},
     {"in_flight", &ClientInfo::in_flight}}};

bool is_plain(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || c == '~';
}

}  // namespace

std::string to_json(const ClientPage& page) {
  json::array clients;
  for (const ClientInfo& client : page.clients) {
    json::object object;
    for (const auto& [key, text] : kTexts) object[key] = client.*text;
    for (const auto& [key, value] : kNumbers) object[key] = client.*value;
    if (client.user.empty()) object["user"] = nullptr;
    clients.push_back(std::move(object));
  }
  json::object body;
  body["clients"] = std::move(clients);
  body["next"] = page.next == 0 ? json::value() : json::value(page.next);
  return json::serialize(body);
}

Result<ClientPage> client_page_from_json(std::string_view text) {
  const Error not_understood{ErrorCode::io, "the controller's answer is not understood"};
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  if (error || !value.is_object()) return not_understood;
  const json::value* const clients = value.get_object().if_contains("clients");
  if (clients == nullptr || !clients->is_array()) return not_understood;
  ClientPage page;
  page.next = number_of(value.get_object(), "next").value_or(0);
  for (const json::value& one : clients->get_array()) {
    if (!one.is_object()) return not_understood;
    ClientInfo& client = page.clients.emplace_back();
    for (const auto& [key, member] : kTexts) {
      const json::value* const found = one.get_object().if_contains(key);
      if (found != nullptr && found->is_string()) client.*member = std::string(found->get_string());
    }
    for (const auto& [key, member] : kNumbers) client.*member = number_of(one.get_object(), key).value_or(0);
  }
  return page;
}

std::string percent_encoded(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_plain(byte)) out += c;
    else ((out += '%') += kDigits[byte >> 4]) += kDigits[byte & 15];
  }
  return out;
}

Result<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned byte = 0;
    const char* const digits = text.data() + i + 1;
    if (text.size() - i < 3 || std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2) {
      return Error{ErrorCode::invalid_argument, "a % must be followed by two hexadecimal digits"};
    }
    out += static_cast<char>(byte);
    i += 2;
  }
  return out;
}

}  // namespace shoal::api
