#include "cli/sub_command.hpp"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <memory>
#include <optional>
#include <ostream>
#include <utility>

#include "cli/stop_signals.hpp"
#include "client/client.hpp"
#include "mqtt/topic_name.hpp"
#include "mqtt/utf8.hpp"

namespace shoal::cli {
namespace {

/// One run of `sub`, from CONNECT to the end of the connection.
class Subscriber final : private client::Events, private io::TurnEnd, private io::Timer {
 public:
  Subscriber(Context& context, const SubOptions& options, io::Reactor& reactor, const client::Options& connection)
      : context_(context), options_(options), reactor_(reactor), client_(reactor, connection, *this) {}
  ~Subscriber() override { reactor_.forget(*this); }

  void run(Target target) {
    target_ = std::move(target.name);
    if (const auto begun = client_.connect(std::move(target.endpoints)); !begun) {
      return context_.fail(kUsage, begun.error().message);
    }
    if (options_.limit_s != 0) reactor_.timers().arm(*this, reactor_.now() + base::seconds(options_.limit_s));
    const StopSignals signals(reactor_, [this] { client_.disconnect(); });
    reactor_.run();
  }

 private:
  void on_connected(const mqtt::Connack&) override {
    std::vector<mqtt::FilterEntry> filters;
    for (const std::string& filter : options_.filters)
      filters.push_back({filter, {.qos = static_cast<std::uint8_t>(options_.qos)}});
    if (const auto sent = client_.subscribe(filters); !sent) leave(sent.error().message);
  }
  void on_subscribed(std::uint16_t, base::Bytes codes) override {
    for (std::size_t i = 0; i < codes.size() && i < options_.filters.size(); ++i) {
      const auto code = static_cast<mqtt::ReasonCode>(codes[i]);
      if (mqtt::is_error(code)) {
        leave("the broker refused to subscribe to " + options_.filters[i] + ": " + std::string(mqtt::to_string(code)));
      }
    }
  }
  void on_message(const mqtt::Publish& message) override {
    if (message.retain && options_.without_stale) return;
    print(message);
    reactor_.at_turn_end(*this);
    if (++received_ == options_.count) client_.disconnect();
  }
  void on_turn_end() override {
    if (!context_.out.flush()) leave("cannot write what was received");
  }
  void on_deadline(base::Time) override {
    if (received_ >= options_.count) return client_.disconnect();
    leave(std::to_string(received_) + " of " + std::to_string(options_.count) + " messages came in " +
          std::to_string(options_.limit_s) + " s");
  }
  void on_end(const client::End& end) override {
    if (end.why != client::End::Why::done) fail(end.message);
    reactor_.stop();
  }

  void print(const mqtt::Publish& message) {
    if (options_.json) {
      context_.out << to_json_line(message) << '\n';
      return;
    }
    if (options_.verbose) context_.out << message.topic << ' ';
    context_.out << base::as_text(message.payload) << '\n';
  }
  void leave(const std::string& message) {
    fail(message);
    client_.disconnect();
  }
  /// The first problem is told, the others follow from it.
  void fail(const std::string& message) {
    if (!std::exchange(failed_, true)) context_.fail(kFailed, target_ + ": " + message);
  }

  Context& context_;
  const SubOptions& options_;
  io::Reactor& reactor_;
  client::Client client_;
  std::string target_;
  std::uint64_t received_ = 0;
  bool failed_ = false;
};

bool can_subscribe(const std::string& filter) {
  return mqtt::is_shared(filter) ? mqtt::split_shared(filter).has_value() : mqtt::is_topic_filter(filter);
}

}  // namespace

std::string to_json_line(const mqtt::Publish& message) {
  boost::json::object line{{"topic", message.topic}, {"qos", message.qos}, {"retain", message.retain}};
  const std::string_view payload = base::as_text(message.payload);
  if (mqtt::is_utf8_payload(payload)) {
    line["payload"] = payload;
  } else {
    std::string hex;
    for (const std::uint8_t byte : message.payload) {
      hex += "0123456789abcdef"[byte >> 4];
      hex += "0123456789abcdef"[byte & 15];
    }
    line["payload_hex"] = hex;
  }
  return boost::json::serialize(line);
}

void subscribe(Context& context, const SubOptions& options) {
  for (const std::string& filter : options.filters) {
    if (!can_subscribe(filter)) return context.fail(kUsage, "'" + filter + "' is not a topic filter");
  }
  const auto connection = client_options(context, options.connection);
  if (!connection) return;
  auto target = find_target(context, options.connection);
  if (!target) return;
  const auto reactor = io::Reactor::open();
  if (!reactor) return context.fail(kFailed, reactor.error().message);
  Subscriber(context, options, **reactor, *connection).run(*std::move(target));
}

void add_sub_command(CLI::App& app, Context& context) {
  const auto options = std::make_shared<SubOptions>();
  CLI::App* command = app.add_subcommand("sub", "Subscribe and print messages");
  add_connection_options(*command, options->connection);
  command->add_option("-t,--topic", options->filters, "Topic filter; may be given several times")
      ->type_name("FILTER")
      ->required()
      ->expected(1)
      ->take_all();
  command->add_option("-q,--qos", options->qos, "0, 1 or 2")
      ->type_name("QOS")
      ->check(CLI::Range(0, 2))
      ->capture_default_str();
  command->add_flag("-v,--verbose", options->verbose, "Print the topic in front of the payload");
  command->add_option("-C,--count", options->count, "End after so many messages")
      ->type_name("COUNT")
      ->check(CLI::PositiveNumber);
  command->add_option("-W,--timeout", options->limit_s, "End after so many seconds")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 31'536'000));
  command->add_flag("-R,--no-retained", options->without_stale, "Leave retained messages out");
  command->add_flag("--json", options->json, "An object per line");
  command->callback([&context, options] { subscribe(context, *options); });
}

}  // namespace shoal::cli
