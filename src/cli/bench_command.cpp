#include <CLI/CLI.hpp>
#include <memory>

#include "bench/connect_run.hpp"
#include "bench/instances_run.hpp"
#include "bench/publish_run.hpp"
#include "bench/retained_run.hpp"
#include "bench/subscribe_run.hpp"
#include "bench/traffic.hpp"
#include "cli/bench_options.hpp"
#include "mqtt/topic_name.hpp"

namespace shoal::cli {
namespace {

constexpr std::uint64_t kClientsMax = 1'000'000;

/// Options of one kind of bench: the common ones and its own.
template <class Own>
struct Chosen {
  BenchOptions common;
  Own own;
};

template <class Own>
std::shared_ptr<Chosen<Own>> add_kind(CLI::App& bench, const std::string& name, const std::string& help,
                                      CLI::App*& command) {
  auto chosen = std::make_shared<Chosen<Own>>();
  command = bench.add_subcommand(name, help);
  add_common(*command, chosen->common);
  return chosen;
}

void add_pub(CLI::App& bench, Context& context) {
  CLI::App* command = nullptr;
  const auto chosen = add_kind<bench::PublishOptions>(bench, "pub", "Clients that publish at a steady rate", command);
  bench::PublishOptions& own = chosen->own;
  const auto interval_ms = std::make_shared<double>(1'000);
  const auto rate = std::make_shared<double>(0);
  add_count(*command, "--clients", own.clients, kClientsMax, "So many clients");
  command->add_option("-t,--topic", own.topic, "Topic to publish to; %i is the client's number")
      ->type_name("TOPIC")
      ->required();
  add_qos(*command, own.qos);
  command->add_flag("-r,--retain", own.retain, "Retain the messages");
  add_payload(*command, own.payload_bytes);
  CLI::Option* interval =
      command->add_option("--interval", *interval_ms, "From one message of a client to its next one");
  interval->type_name("MS")->check(CLI::Range(0.001, 86'400'000.0))->capture_default_str();
  command->add_option("--rate", *rate, "Messages a second of all clients together, instead")
      ->type_name("N")
      ->check(CLI::Range(0.001, 10'000'000.0))
      ->excludes(interval);
  add_count(*command, "--count", own.count, UINT64_MAX, "End after so many messages of all together");
  add_seconds(*command, "--seconds", own.length, 31'536'000, "End after so long");
  command->callback([&context, chosen, interval_ms, rate] {
    bench::PublishOptions& options = chosen->own;
    if (!mqtt::is_topic_name(options.topic)) {
      return context.fail(kUsage,
                          "topic '" + options.topic + "' cannot be published to: it is empty or has + or # in it");
    }
    const auto brokers = static_cast<double>(std::max<std::size_t>(
        1, chosen->common.instances.empty() ? chosen->common.ports.size() : chosen->common.instances.size()));
    options.rate = *rate > 0 ? *rate : options.clients * brokers * 1'000.0 / *interval_ms;
    run_bench(context, chosen->common, options.clients,
              [&](bench::Stage& stage) { return bench::run_publish(stage, options); });
  });
}

void add_sub(CLI::App& bench, Context& context) {
  CLI::App* command = nullptr;
  const auto chosen = add_kind<bench::SubscribeOptions>(bench, "sub", "Clients that subscribe and count", command);
  bench::SubscribeOptions& own = chosen->own;
  add_count(*command, "--clients", own.clients, kClientsMax, "So many clients");
  command->add_option("-t,--topic", own.filter, "Topic filter; %i is the client's number")
      ->type_name("FILTER")
      ->required();
  add_qos(*command, own.qos);
  add_count(*command, "--count", own.count, UINT64_MAX, "End after so many messages of all together");
  add_seconds(*command, "--seconds", own.length, 31'536'000, "End after so long");
  command->callback([&context, chosen] {
    const bench::SubscribeOptions& options = chosen->own;
    const bool shared = mqtt::is_shared(options.filter);
    if (shared ? !mqtt::split_shared(options.filter) : !mqtt::is_topic_filter(options.filter)) {
      return context.fail(kUsage, "'" + options.filter + "' is not a topic filter");
    }
    run_bench(context, chosen->common, options.clients,
              [&](bench::Stage& stage) { return bench::run_subscribe(stage, options); });
  });
}

void add_conn(CLI::App& bench, Context& context) {
  CLI::App* command = nullptr;
  const auto chosen = add_kind<bench::ConnectOptions>(bench, "conn", "Connections, made and closed or held", command);
  bench::ConnectOptions& own = chosen->own;
  add_count(*command, "--count", own.count, kClientsMax, "So many connections");
  CLI::Option* hold = command->add_flag("--hold", own.hold, "Keep all of them instead of closing each when it stands");
  add_count(*command, "--subscribe", own.subscriptions, 1'000, "Filters that each subscribes to")->needs(hold);
  add_seconds(*command, "--seconds", own.held, 86'400, "Keep them for so long");
  command->callback([&context, chosen] {
    const bench::ConnectOptions& options = chosen->own;
    run_bench(context, chosen->common, options.hold ? options.count : chosen->common.concurrency,
              [&](bench::Stage& stage) { return bench::run_connects(stage, options); });
  });
}

/// What `throughput` and `latency` share.
void add_traffic(CLI::App& command, BenchOptions& common, bench::TrafficOptions& own) {
  command
      .add_option_function<std::string>(
          "--map",
          [&own](const std::string& text) {
            using Kind = bench::Mapping::Kind;
            for (const Kind kind : {Kind::pairs, Kind::fanin, Kind::fanout, Kind::shared}) {
              if (text == to_string(kind)) own.mapping.kind = kind;
            }
          },
          "Who publishes to whom: pairs, fanin, fanout or shared")
      ->check(CLI::IsMember({"pairs", "fanin", "fanout", "shared"}))
      ->type_name("MAP")
      ->default_str("pairs");
  own.mapping.publishers = own.mapping.subscribers = 0;  // as the map has it
  add_count(command, "--pubs", own.mapping.publishers, kClientsMax,
            "Publishers (default: 10; fanout: 1; --filters: 4)");
  add_count(command, "--subs", own.mapping.subscribers, kClientsMax,
            "Subscribers (default: 10; fanin: 1; fanout and --filters: 100)");
  add_qos(command, own.qos);
  add_payload(command, own.payload_bytes);
  command.add_flag("--persistent", common.persistent, "Sessions that outlive their connections; removed at the end");
  add_seconds(command, "--seconds", own.length, 86'400, "Measure for so long");
  add_seconds(command, "--warmup", own.warmup, 3'600, "Leave out so much at the beginning");
}

void fill_in(bench::Mapping& mapping) {
  using Kind = bench::Mapping::Kind;
  if (mapping.publishers == 0)
    mapping.publishers = mapping.kind == Kind::fanout ? 1 : mapping.kind == Kind::cells ? 4 : 10;
  if (mapping.subscribers == 0) {
    mapping.subscribers = mapping.kind == Kind::fanin                                   ? 1
                          : mapping.kind == Kind::fanout || mapping.kind == Kind::cells ? 100
                                                                                        : 10;
  }
}

void run_traffic_bench(Context& context, const BenchOptions& common, const bench::TrafficOptions& options) {
  run_bench(context, common, std::uint64_t{options.mapping.publishers} + options.mapping.subscribers,
            [&](bench::Stage& stage) { return bench::run_traffic(stage, options); });
}

void add_throughput(CLI::App& bench, Context& context) {
  CLI::App* command = nullptr;
  const auto chosen = add_kind<bench::TrafficOptions>(
      bench, "throughput", "As many messages as get through with a window (closed loop)", command);
  bench::TrafficOptions& own = chosen->own;
  add_traffic(*command, chosen->common, own);
  add_count(*command, "--window", own.window, client::Options::kInflightMax,
            "Messages of each publisher that may be on their way");
  CLI::Option* count = add_count(*command, "--count", own.count, UINT64_MAX,
                                 "End after so many messages of each publisher, with no warm-up");
  count->excludes("--warmup");
  add_count(*command, "--filters", own.cells, 10'000'000,
            "Spread so many different filters of six levels over the subscribers")
      ->excludes("--map");
  command
      ->add_option_function<std::string>(
          "--mix",
          [&own](const std::string& text) {
            const auto mix = parse_mix(text);
            if (!mix) throw CLI::ValidationError("--mix", "'" + text + "' are not three percentages, together 100");
            own.mix = *mix;
          },
          "How many per cent of the filters have no wildcard, + and #")
      ->type_name("E,P,H")
      ->needs("--filters")
      ->default_str("70,20,10");
  const auto nap_us = std::make_shared<unsigned>(0);
  CLI::Option* nap = command->add_option("--coalesce", *nap_us,
                                         "Sleep so long after a turn that brought few messages (default: 200 where "
                                         "500 and more may be on their way, else 0)");
  nap->type_name("US")->check(CLI::Range(0, 10'000));
  command->callback([&context, chosen, nap_us, nap, count] {
    bench::TrafficOptions& options = chosen->own;
    if (options.cells != 0) options.mapping.kind = bench::Mapping::Kind::cells;
    fill_in(options.mapping);
    if (*nap) options.nap = std::chrono::microseconds(*nap_us);
    if (*count) options.warmup = base::Duration::zero();
    run_traffic_bench(context, chosen->common, options);
  });
}

void add_latency(CLI::App& bench, Context& context) {
  CLI::App* command = nullptr;
  const auto chosen =
      add_kind<bench::TrafficOptions>(bench, "latency", "How long messages take at a steady rate (open loop)", command);
  bench::TrafficOptions& own = chosen->own;
  own.rate = 1'000;
  add_traffic(*command, chosen->common, own);
  command->add_option("--rate", own.rate, "Messages a second of all publishers together")
      ->type_name("N")
      ->check(CLI::Range(0.001, 10'000'000.0))
      ->capture_default_str();
  command->callback([&context, chosen] {
    fill_in(chosen->own.mapping);
    run_traffic_bench(context, chosen->common, chosen->own);
  });
}

void add_instances(CLI::App& bench, Context& context) {
  CLI::App* command = nullptr;
  const auto chosen = add_kind<bench::InstancesOptions>(
      bench, "instances", "Whether every instance answers, and gets its own messages only", command);
  bench::InstancesOptions& own = chosen->own;
  add_qos(*command, own.qos);
  add_seconds(*command, "--seconds", own.limit, 3'600, "Every instance has to answer in this time");
  command->callback([&context, chosen] {
    run_bench(context, chosen->common, 1,
              [&](bench::Stage& stage) { return bench::run_instances(stage, chosen->own); });
  });
}

void add_retained(CLI::App& bench, Context& context) {
  CLI::App* command = nullptr;
  const auto chosen = add_kind<bench::RetainedOptions>(bench, "retained",
                                                       "Retained messages, stored and asked for all at once", command);
  bench::RetainedOptions& own = chosen->own;
  add_count(*command, "--count", own.count, 10'000'000, "So many messages");
  add_count(*command, "--subs", own.subscribers, kClientsMax, "Subscribers that ask for all of them");
  add_qos(*command, own.qos);
  add_payload(*command, own.payload_bytes);
  add_count(*command, "--window", own.window, client::Options::kInflightMax,
            "Messages that may be unacknowledged while they are stored");
  command->callback([&context, chosen] {
    run_bench(context, chosen->common, std::uint64_t{chosen->own.subscribers} + 1,
              [&](bench::Stage& stage) { return bench::run_retained(stage, chosen->own); });
  });
}

}  // namespace

void add_bench_command(CLI::App& app, Context& context) {
  CLI::App* bench = app.add_subcommand("bench", "Load brokers, check every delivery, and measure");
  bench->require_subcommand(1);
  add_pub(*bench, context);
  add_sub(*bench, context);
  add_conn(*bench, context);
  add_throughput(*bench, context);
  add_latency(*bench, context);
  add_retained(*bench, context);
  add_instances(*bench, context);
}

}  // namespace shoal::cli
