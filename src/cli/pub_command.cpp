#include "cli/pub_command.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "base/unique_fd.hpp"
#include "cli/line_reader.hpp"
#include "cli/stop_signals.hpp"
#include "client/client.hpp"
#include "mqtt/topic_name.hpp"
#include "mqtt/varint.hpp"

namespace shoal::cli {
namespace {

/// One run of `pub`, from CONNECT to the end of the connection.
class Publisher final : private client::Events {
 public:
  Publisher(Context& context, const PubOptions& options, io::Reactor& reactor, const client::Options& connection)
      : context_(context),
        options_(options),
        reactor_(reactor),
        client_(reactor, connection, *this),
        lines_(
            reactor, options.lines_fd, [this](std::string_view line) { return send_line(line); },
            [this](const std::string& problem) { lines_ended(problem); }) {}

  /// `payload` is ignored when the source is lines.
  void run(Target target, std::string payload) {
    target_ = std::move(target.name);
    payload_ = std::move(payload);
    if (const auto begun = client_.connect(std::move(target.endpoints)); !begun) {
      return context_.fail(kUsage, begun.error().message);
    }
    const StopSignals signals(reactor_, [this] { client_.disconnect(); });
    reactor_.run();
  }

 private:
  void on_connected(const mqtt::Connack&) override {
    if (options_.source == PubOptions::Source::lines) return lines_.resume();
    if (send(payload_)) all_sent();
  }
  void on_room() override { lines_.resume(); }
  void on_published(std::uint16_t, mqtt::ReasonCode code) override {
    --unacknowledged_;
    if (mqtt::is_error(code)) fail("the broker refused a message: " + std::string(mqtt::to_string(code)));
    if (all_sent_ && unacknowledged_ == 0) client_.disconnect();
  }
  void on_end(const client::End& end) override {
    if (end.why != client::End::Why::done) fail(end.message);
    else if (!failed_ && (!all_sent_ || unacknowledged_ != 0)) fail("ended before everything was published");
    reactor_.stop();
  }

  bool send(std::string_view payload) {
    const auto sent = client_.publish({.topic = options_.topic,
                                       .payload = base::as_bytes(payload),
                                       .qos = static_cast<std::uint8_t>(options_.qos),
                                       .retain = options_.retain});
    if (sent) unacknowledged_ += options_.qos != 0;
    else if (sent.error().code != ErrorCode::resource_exhausted) leave(sent.error().message);
    return sent.ok();
  }
  LineReader::Answer send_line(std::string_view line) {
    if (send(line)) return LineReader::Answer::next;
    return failed_ ? LineReader::Answer::stop : LineReader::Answer::again;
  }
  void lines_ended(const std::string& problem) {
    if (problem.empty()) all_sent();
    else leave("standard input: " + problem);
  }
  void all_sent() {
    all_sent_ = true;
    if (unacknowledged_ == 0) client_.disconnect();
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
  const PubOptions& options_;
  io::Reactor& reactor_;
  client::Client client_;
  LineReader lines_;
  std::string target_;
  std::string payload_;
  std::size_t unacknowledged_ = 0;
  bool all_sent_ = false;
  bool failed_ = false;
};

std::optional<std::string> payload_of(Context& context, const PubOptions& options) {
  if (options.source != PubOptions::Source::file) return options.text;
  const base::UniqueFd file(::open(options.text.c_str(), O_RDONLY | O_CLOEXEC));
  std::string content;
  ssize_t got = file ? 1 : -1;
  for (char chunk[65'536]; got > 0 && content.size() <= mqtt::kVarintMax;) {
    got = ::read(file.get(), chunk, sizeof chunk);
    if (got > 0) content.append(chunk, static_cast<std::size_t>(got));
  }
  if (got == 0) return content;
  context.fail(kFailed, got < 0 ? "cannot read file " + options.text + ": " + std::strerror(errno)
                                : "file " + options.text + " is larger than MQTT allows");
  return {};
}

}  // namespace

void publish(Context& context, const PubOptions& options) {
  if (!mqtt::is_topic_name(options.topic)) {
    return context.fail(kUsage,
                        "topic '" + options.topic + "' cannot be published to: it is empty or has + or # in it");
  }
  const auto connection = client_options(context, options.connection);
  if (!connection) return;
  auto payload = payload_of(context, options);
  if (!payload) return;
  auto target = find_target(context, options.connection);
  if (!target) return;
  const auto reactor = io::Reactor::open();
  if (!reactor) return context.fail(kFailed, reactor.error().message);
  Publisher(context, options, **reactor, *connection).run(*std::move(target), *std::move(payload));
}

void add_pub_command(CLI::App& app, Context& context) {
  struct Options {
    PubOptions pub;
    std::string message;
    std::string file;
    bool lines = false;
    bool nothing = false;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("pub", "Publish messages");
  add_connection_options(*command, options->pub.connection);
  command->add_option("-t,--topic", options->pub.topic, "Topic to publish to")->type_name("TOPIC")->required();
  CLI::Option* message = command->add_option("-m,--message", options->message, "Publish this text");
  message->type_name("TEXT");
  CLI::Option* file = command->add_option("-f,--file", options->file, "Publish a file's content")->type_name("FILE");
  command->add_flag("-l,--lines", options->lines, "Publish each line of standard input");
  command->add_flag("-n,--null", options->nothing, "Publish an empty payload");
  command->add_option("-q,--qos", options->pub.qos, "0, 1 or 2")
      ->type_name("QOS")
      ->check(CLI::Range(0, 2))
      ->capture_default_str();
  command->add_flag("-r,--retain", options->pub.retain, "Retain the message");
  command->callback([&context, options, message, file] {
    const int sources = int(!message->empty()) + int(!file->empty()) + options->lines + options->nothing;
    if (sources != 1) throw CLI::RequiredError("exactly one of -m, -f, -l and -n");
    PubOptions& pub = options->pub;
    pub.source = *message         ? PubOptions::Source::message
                 : *file          ? PubOptions::Source::file
                 : options->lines ? PubOptions::Source::lines
                                  : PubOptions::Source::nothing;
    pub.text = *file ? options->file : options->message;
    if (options->lines && pub.connection.password.from_stdin) {
      return context.fail(kUsage, "--lines and --password-stdin both want standard input; use --password-file FILE");
    }
    publish(context, pub);
  });
}

}  // namespace shoal::cli
