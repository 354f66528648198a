#include "client/options.hpp"

#include <string_view>

#include "mqtt/topic_name.hpp"
#include "mqtt/utf8.hpp"

namespace shoal::client {
namespace {

constexpr std::size_t kFieldBytesMax = 65'535;

bool is_text(std::string_view text) { return text.size() <= kFieldBytesMax && mqtt::is_utf8_string(text); }

Error invalid_option(std::string message) { return {ErrorCode::invalid_argument, std::move(message)}; }

}  // namespace

Result<void> check(const Options& options) {
  const bool v5 = options.version == mqtt::Version::v5;
  if (!is_text(options.client_id)) return invalid_option("the client id is not UTF-8 text of at most 65535 bytes");
  if (options.client_id.empty() && !options.clean_start && !v5) {
    return invalid_option("a session that is kept needs a client id");  // MQTT-3.1.3-7
  }
  if (options.user && !is_text(*options.user))
    return invalid_option("the user name is not UTF-8 text of at most 65535 bytes");
  if (options.password && options.password->size() > kFieldBytesMax) {
    return invalid_option("the password is longer than 65535 bytes");
  }
  if (options.password && !options.user && !v5) {
    return invalid_option("a password needs a user name before MQTT 5.0");  // MQTT-3.1.2-22
  }
  if (options.inflight_max == 0 || options.inflight_max > Options::kInflightMax) {
    return invalid_option("1 to 16383 messages may be in flight");
  }
  if (!options.will) return {};
  if (!is_text(options.will->topic) || !mqtt::is_topic_name(options.will->topic)) {
    return invalid_option(
        "the will's topic is not one to publish to (UTF-8, not empty, no + and #, up to 65535 bytes)");
  }
  if (options.will->payload.size() > kFieldBytesMax)
    return invalid_option("the will's payload is longer than 65535 bytes");
  if (options.will->qos > 2) return invalid_option("the will's QoS must be 0, 1 or 2");
  return {};
}

}  // namespace shoal::client
