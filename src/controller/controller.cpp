#include "controller/controller.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "api/server.hpp"
#include "controller/engines.hpp"
#include "controller/external_processes.hpp"
#include "controller/folders.hpp"
#include "controller/listening_sockets.hpp"
#include "controller/privileges.hpp"
#include "controller/requests.hpp"
#include "controller/running_fleet.hpp"
#include "controller/service_manager.hpp"
#include "controller/state_lock.hpp"
#include "controller/worker_processes.hpp"

namespace shoal::controller {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

base::Time clock_now() { return std::chrono::steady_clock::now(); }

void prepare_process() {
  // A child's end must stay visible to waitid, whatever the parent had set.
  std::signal(SIGCHLD, SIG_DFL);
  std::signal(SIGPIPE, SIG_IGN);
  keep_rights_from_children();
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

bool is_ignored(int signal) {
  struct sigaction now {};
  return ::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

bool has_terminal() { return bool(base::UniqueFd(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC))); }

void block_signals(int how) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) sigaddset(&signals, signal);
  ::sigprocmask(how, &signals, nullptr);
}

std::uint64_t monotonic_us() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000;
}

/// Wires the fleet's logic to processes, sockets, signals, one timer and the API. After every event it
/// takes a `turn`, which does what is due and sets the timer if there is anything to wait for.
class Controller : private Watcher {
 public:
  Controller(ControllerOptions options, WorkerSockets worker_sockets, base::Log log)
      : on_settled_(std::move(options.on_settled)),
        on_event_(std::move(options.on_event)),
        log_(std::move(log)),
        signals_(context_),
        timer_(context_),
        place_(context_),
        watchdog_(context_),
        workers_watch_(context_),
        externals_(context_, options.config.run_dir, log_),
        processes_(context_, std::move(options.worker_executable), std::move(worker_sockets), log_,
                   options.config.log.fd == STDOUT_FILENO,
                   WorkerLimiter(options.machine_root, std::getenv("INVOCATION_ID") != nullptr)),
        sockets_(options.config),
        fleet_(std::move(options.config), {}, engines_, sockets_, log_),
        requests_(fleet_, std::move(options.version), clock_now,
                  {.shutdown = [this] { stop("request"); },
                   .load = std::move(options.reload),
                   .places = std::move(options.places),
                   .prepare = make_folders}),
        server_(context_, {.path = fleet_.config().control_socket(), .after_request = [this] { log_.retry(), turn(); }},
                requests_),
        monitoring_(context_, monitoring_options(), requests_) {
    fleet_.watch(*this);
    const auto on_message = [this](WorkerId id, const link::Message& message) {
      fleet_.on_message(id, message, clock_now());
      turn();
    };
    const auto on_exit = [this](WorkerId id, const WorkerEnd& end) {
      fleet_.on_exit(id, end, clock_now());
      turn();
    };
    processes_.listen(on_message, on_exit);
    externals_.listen(on_message, on_exit);
  }

  std::vector<config::Problem> prepare() {
    // First, so that no automatic port takes its place.
    base::UniqueFd monitoring;
    if (const auto& metrics = fleet_.config().metrics) {
      auto bound = sockets_.bind_own("fleet.metrics", *metrics);
      if (auto* problem = std::get_if<config::Problem>(&bound)) return {std::move(*problem)};
      monitoring = std::move(std::get<fleet::BoundListener>(bound).fd);
    }
    std::vector<Adopted> workers = processes_.adopt();
    std::ranges::move(externals_.adopt(), std::back_inserter(workers));
    const bool adopted = !workers.empty();
    fleet_.take_over(std::move(workers), clock_now());
    fleet_.hold(read_held());
    auto applied = fleet_.apply(config::FleetConfig(fleet_.config()), {}, clock_now());
    if (!applied.problems.empty() && adopted) {
      // There is a fleet that runs; it gets its controller.
      for (const config::Problem& problem : applied.problems) log_.error("listener", {{"problem", problem.text()}});
      applied = fleet_.apply(config::FleetConfig(fleet_.config()), {.one_by_one = true}, clock_now());
    }
    if (!applied.problems.empty()) return applied.problems;
    if (auto opened = server_.open(); !opened) return {{{}, opened.error().message}};
    if (!monitoring) return {};
    if (auto opened = monitoring_.open_on(std::move(monitoring)); !opened) return {{{}, opened.error().message}};
    return {};
  }

  /// True: the program is to be executed again.
  bool run() {
    for (const int signal : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2}) signals_.add(signal);
    if (!is_ignored(SIGHUP)) signals_.add(SIGHUP);  // nohup(1)
    block_signals(SIG_UNBLOCK);                     // what came while this program took the place of another
    wait_for_signal();
    for (const std::string& file : sockets_.damaged()) log_.warn("remembered ports are damaged", {{"file", file}});
    log_.info("controller started", {{"pid", ::getpid()}, {"config", fleet_.config().file}});
    if (::geteuid() == 0) log_.warn("it runs as root, and so do its workers; fleet.user names who they should be");
    turn();
    if (const auto interval = watchdog_interval()) pat_watchdog(*interval / 2);
    context_.run();
    log_.info(execute_again_ ? "controller makes place for another" : "controller ended");
    return execute_again_;
  }

 private:
  // Whoever reaches it may ask, but not much at a time.
  api::ServerOptions monitoring_options() {
    return {.routes = api::Routes::monitoring,
            .body_bytes_max = 0,
            .header_bytes_max = 8 * 1024,
            .connections_max = 16,
            .idle_limit = std::chrono::seconds(10),
            .after_request = [this] { turn(); }};
  }

  void wait_for_signal() {
    signals_.async_wait([this](error_code error, int signal) {
      if (error) return;
      if (signal == SIGUSR1) reopen_logs();
      else if (signal == SIGUSR2) execute_again();
      else if (signal == SIGHUP) hang_up();
      else if (signal == SIGINT && stopping_) end_at_once();
      else stop(signal == SIGINT ? "SIGINT" : "SIGTERM");
      wait_for_signal();
      turn();
    });
  }

  /// The terminal is gone, or an operator wants what daemons do on HUP.
  void hang_up() {
    if (had_terminal_ && !has_terminal()) return stop("SIGHUP");
    notify_service_manager("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_us()));
    requests_.apply({}, [this](const std::variant<api::Applied, api::Failure>& outcome) {
      notify_service_manager("READY=1");
      if (const auto* failure = std::get_if<api::Failure>(&outcome)) {
        log_.error("configuration not applied; all goes on as before", {{"because", failure->message}});
        return tell("configuration not applied; all goes on as before:\n" + failure->message);
      }
      const auto& steps = std::get<api::Applied>(outcome).steps;
      log_.info("configuration applied", {{"steps", steps.size()}});
      tell("configuration applied: " + std::to_string(steps.size()) +
           " changes; `shoal apply` tells which restarts are due");
    });
  }

  /// Not with a configuration that the next one would not start with.
  void execute_again() {
    if (stopping_) return;
    const config::Loaded loaded = requests_.load();
    if (!loaded.config) {
      for (const config::Problem& problem : loaded.problems) {
        log_.error("not executed again", {{"problem", problem.text()}});
        tell("not executed again: " + problem.text());
      }
      return;
    }
    // What the system has delivered already is handled here; what comes from now on is for the next program.
    block_signals(SIG_BLOCK);
    place_.expires_after(std::chrono::milliseconds(20));
    place_.async_wait([this](error_code error) {
      if (!error) make_place();
    });
  }

  void pat_watchdog(std::chrono::microseconds every) {
    notify_service_manager("WATCHDOG=1");
    watchdog_.expires_after(every);
    watchdog_.async_wait([this, every](error_code error) {
      if (!error) pat_watchdog(every);
    });
  }

  void make_place() {
    if (stopping_) return block_signals(SIG_UNBLOCK);
    execute_again_ = true;
    notify_service_manager("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_us()));
    server_.close();
    context_.stop();
  }

  void reopen_logs() {
    if (auto reopened = log_.reopen(); !reopened) tell(reopened.error().message);
    fleet_.reopen_logs();
  }

  void stop(const char* because) {
    if (stopping_) return;
    stopping_ = true;
    log_.info("stopping", {{"because", because}});
    tell("stopping; clients have 5 s to leave, Ctrl-C again ends at once");
    notify_service_manager("STOPPING=1");
    fleet_.stop_all(clock_now());
  }

  void end_at_once() {
    log_.warn("ending at once", {});
    fleet_.kill_all();
  }

  void turn() {
    const base::Time now = clock_now();
    fleet_.on_time(now);
    requests_.on_time(now);
    if (!settled_ && !stopping_ && fleet_.settled()) {
      settled_ = true;
      notify_service_manager("READY=1");
      if (on_settled_) on_settled_(views(now));
    }
    if (fleet_.ended()) {
      std::error_code ignored;
      std::filesystem::remove(held_file(), ignored);
      std::filesystem::remove(fleet_.config().run_dir + "/workers", ignored);
      externals_.remove_folder();
      server_.close();
      monitoring_.close();
      context_.stop();
    }
    write_held();
    set_timer(std::min(fleet_.deadline(), requests_.deadline()));
    watch_workers();
    log_.flush();
  }

  /// Every few seconds, while there are any.
  void watch_workers() {
    if (watching_ || !fleet_.has_workers()) return;
    watching_ = true;
    workers_watch_.expires_after(std::chrono::seconds(5));
    workers_watch_.async_wait([this](error_code error) {
      if (error) return;
      watching_ = false;
      fleet_.watch_workers(clock_now());
      turn();
    });
  }

  void set_timer(base::Time deadline) {
    if (deadline == armed_) return;
    armed_ = deadline;
    if (deadline == base::kNever) {
      timer_.cancel();
      return;
    }
    timer_.expires_at(deadline);
    timer_.async_wait([this, deadline](error_code error) {
      if (error || armed_ != deadline) return;
      armed_ = base::kNever;
      turn();
    });
  }

  // What was stopped by hand stays so under the next controller, until `down`.
  std::string held_file() const { return fleet_.config().run_dir + "/held"; }
  std::vector<std::string> read_held() {
    std::ifstream file(held_file());
    for (std::string name; std::getline(file, name);) held_.push_back(name);
    return held_;
  }
  void write_held() {
    if (fleet_.held() == held_) return;
    held_ = fleet_.held();
    if (stopping_ || held_.empty()) {
      std::error_code ignored;
      std::filesystem::remove(held_file(), ignored);
      return;
    }
    std::ofstream file(held_file(), std::ios::trunc);
    for (const std::string& name : held_) file << name << '\n';
  }

  std::vector<api::Instance> views(base::Time now) const {
    std::vector<api::Instance> all;
    for (const std::string& name : fleet_.names()) all.push_back(*fleet_.view(name, now));
    return all;
  }

  void tell(const std::string& line) const {
    if (on_event_) on_event_(line);
  }

  void on_state(const std::string& name, fleet::State state) override {
    if (!settled_ || stopping_) return;
    switch (state) {
      case fleet::State::ready: return tell(name + " is ready");
      case fleet::State::stopped: return tell(name + " is stopped");
      case fleet::State::backoff: return tell(name + " ended and starts again: " + why_ended(name));
      case fleet::State::failed: return tell(name + " failed too often and stays down: " + why_ended(name));
      case fleet::State::starting:
      case fleet::State::stopping: return;
    }
  }
  std::string why_ended(const std::string& name) const { return fleet_.view(name, clock_now())->last_exit; }
  void on_stats(const std::string&) override {}
  void on_users_reloaded(const std::string&, const std::string&) override {}
  void on_changed(const std::string&, const std::string&) override {}

  std::function<void(const std::vector<api::Instance>&)> on_settled_;
  std::function<void(std::string_view)> on_event_;
  base::Log log_;
  asio::io_context context_{1};
  asio::signal_set signals_;
  asio::steady_timer timer_;
  asio::steady_timer place_;
  asio::steady_timer watchdog_;
  asio::steady_timer workers_watch_;
  ExternalProcesses externals_;
  WorkerProcesses processes_;
  Engines engines_{processes_, externals_};
  ListeningSockets sockets_;
  RunningFleet fleet_;
  Requests requests_;
  api::Server server_;
  api::Server monitoring_;  // fleet.metrics
  const bool had_terminal_ = has_terminal();
  base::Time armed_ = base::kNever;
  std::vector<std::string> held_;  // as written
  bool settled_ = false;
  bool stopping_ = false;
  bool execute_again_ = false;
  bool watching_ = false;
};

}  // namespace

ControllerEnd run_controller(ControllerOptions options) {
  const auto failed = [](std::string message) { return ControllerEnd{.problems = {{{}, std::move(message)}}}; };
  if (::access(options.worker_executable.c_str(), X_OK) != 0) {
    return failed("the worker " + options.worker_executable +
                  " is missing; it belongs beside shoal, from the same package");
  }
  prepare_process();
  if (auto became = become_user(options.config); !became) return failed(became.error().message);
  if (auto made = make_folders(options.config); !made) return failed(made.error().message);
  auto lock = StateLock::take(options.config.run_dir);
  if (!lock) return failed(lock.error().message);
  std::optional<StateLock> state_lock;
  if (options.config.state_dir != options.config.run_dir) {
    auto taken = StateLock::take(options.config.state_dir);
    if (!taken) return failed(taken.error().message);
    state_lock.emplace(std::move(*taken));
  }
  LogOptions log_options = options.config.log;
  log_options.on_trouble = [tell = options.on_event](std::string_view trouble) {
    if (tell && !trouble.empty()) tell(trouble);
  };
  auto log = base::Log::open(log_options, "controller");
  if (!log) return failed(log.error().message);
  auto worker_sockets = WorkerSockets::open(options.config.run_dir + "/workers", WorkerSockets::Missing::make);
  if (!worker_sockets) return failed(worker_sockets.error().message);
  Controller controller(std::move(options), std::move(*worker_sockets), std::move(*log));
  if (auto problems = controller.prepare(); !problems.empty()) return {.problems = std::move(problems)};
  const bool execute_again = controller.run();
  if (execute_again) hand_on_rights();
  return {.problems = {}, .execute_again = execute_again};
}

}  // namespace shoal::controller
