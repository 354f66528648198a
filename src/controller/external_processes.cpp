#include "controller/external_processes.hpp"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <utility>

#include "controller/exit_status.hpp"
#include "controller/external_program.hpp"
#include "controller/readiness_probe.hpp"
#include "fleet/supervisor.hpp"

namespace shoal::controller {
namespace {

namespace asio = boost::asio;
using Descriptor = asio::posix::stream_descriptor;
using boost::system::error_code;
using fleet::State;

constexpr std::uint64_t kFirstId = 1ull << 63;

constexpr std::string_view kPort = "external.port";
constexpr std::string_view kState = "state";
constexpr std::string_view kReadyAt = "external.ready_at_ms";  // of the clock that goes on over processes of one boot

std::uint64_t now_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

State state_of(std::string_view text) {
  return text == "ready" ? State::ready : text == "stopping" ? State::stopping : State::starting;
}

link::Message without_state(const link::Message& record) {
  link::Message told(record.type());
  for (const auto& [key, value] : record.fields())
    if (key != kState && key != kReadyAt) told.add(key, value);
  return told;
}

}  // namespace

struct ExternalProcesses::External {
  External(asio::io_context& context, std::string n, ProcessIdentity i, base::UniqueFd pidfd, link::Message t)
      : name(std::move(n)), identity(std::move(i)), process(context, pidfd.release()), told(std::move(t)) {}

  std::string name;
  ProcessIdentity identity;
  Descriptor process;  // readable when it has ended
  link::Message told;  // what is kept for the next controller
  std::uint16_t port = 0;
  State state = State::starting;  // starting, ready or stopping
  std::uint64_t ready_at_ms = 0;
  bool killed = false;
  std::optional<ReadinessProbe> probe{};
};

ExternalProcesses::ExternalProcesses(asio::io_context& context, const std::string& run_dir, base::Log& log)
    : context_(context), records_(run_dir), log_(log) {}

ExternalProcesses::~ExternalProcesses() = default;

void ExternalProcesses::listen(OnMessage on_message, OnExit on_exit) {
  on_message_ = std::move(on_message);
  on_exit_ = std::move(on_exit);
}

bool ExternalProcesses::has(WorkerId id) { return static_cast<std::uint64_t>(id) >= kFirstId; }

ExternalProcesses::External* ExternalProcesses::find(WorkerId id) {
  const auto found = externals_.find(id);
  return found == externals_.end() ? nullptr : found->second.get();
}

WorkerId ExternalProcesses::add(std::unique_ptr<External> external) {
  const auto id = static_cast<WorkerId>(kFirstId + ++last_id_);
  wait_for_exit(id, *external);
  if (external->state == State::starting) probe(id, *external);
  externals_.emplace(id, std::move(external));
  return id;
}

Result<Spawned> ExternalProcesses::spawn(const ExternalBroker& broker) {
  link::Message told = broker.notes;
  told.add(kPort, broker.port);
  ProcessIdentity identity;
  base::UniqueFd pidfd;
  // It runs only once the next controller would find it.
  const auto before = [&](pid_t pid) -> Result<void> {
    pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    auto known = pidfd ? identify(pid) : std::nullopt;
    if (!known)
      return Error{ErrorCode::resource_exhausted, broker.name + " cannot be watched: " + std::strerror(errno)};
    identity = std::move(*known);
    return records_.write(broker.name, identity, told);
  };
  auto pid = start_program(broker, before);
  if (!pid) {
    records_.remove(broker.name);
    return std::move(pid).error();
  }
  auto external =
      std::make_unique<External>(context_, broker.name, std::move(identity), std::move(pidfd), std::move(told));
  external->port = broker.port;
  return Spawned{add(std::move(external)), *pid};
}

std::vector<Adopted> ExternalProcesses::adopt() {
  std::vector<Adopted> all;
  for (ExternalRecords::Record& record : records_.read()) {
    base::UniqueFd pidfd = open_process(record.process);
    if (!pidfd) {
      records_.remove(record.name);  // it ended without a controller
      continue;
    }
    const std::int64_t pid = record.process.pid;
    auto external = std::make_unique<External>(context_, record.name, std::move(record.process), std::move(pidfd),
                                               without_state(record.told));
    external->port = static_cast<std::uint16_t>(record.told.number(kPort, UINT16_MAX).value_or(0));
    external->state = state_of(record.told.text(kState));
    external->ready_at_ms = record.told.number(kReadyAt).value_or(0);
    link::Message hosts = record.told.as(link::type::kHosts);
    hosts.add("ready_ms", now_ms() - std::min(now_ms(), external->ready_at_ms));
    Adopted& adopted = all.emplace_back(Adopted{.pid = pid, .slot = "external " + record.name, .hosts = {}});
    adopted.hosts.push_back({std::move(hosts), {}});
    adopted.id = add(std::move(external));
  }
  return all;
}

void ExternalProcesses::probe(WorkerId id, External& external) {
  external.probe.emplace(context_, external.port, [this, id] {
    External* answered = find(id);
    if (answered == nullptr) return;
    answered->probe.reset();
    if (answered->state != State::starting) return;
    answered->state = State::ready;
    answered->ready_at_ms = now_ms();
    note(*answered);
    on_message_(id, link::Message(link::type::kReady).add("name", std::string_view(answered->name)));
  });
}

void ExternalProcesses::note(const External& external) {
  link::Message record = external.told;
  record.add(kState, fleet::to_string(external.state)).add(kReadyAt, external.ready_at_ms);
  if (auto written = records_.write(external.name, external.identity, record); !written) {
    log_.error("what the next controller needs cannot be written",
               {{"instance", external.name}, {"error", written.error().message}});
  }
}

void ExternalProcesses::send(WorkerId id, const link::Message& message) {
  External* external = find(id);
  const bool stop = message.type() == link::type::kStop;
  if (external == nullptr || (!stop && message.type() != link::type::kShutdown)) return;
  external->probe.reset();
  if (stop) {
    external->state = State::stopping;
    note(*external);
  }
  ::syscall(SYS_pidfd_send_signal, external->process.native_handle(), SIGTERM, nullptr, 0);
}

void ExternalProcesses::kill(WorkerId id) {
  External* external = find(id);
  if (external == nullptr) return;
  external->killed = true;
  kill_group(external->identity);
}

void ExternalProcesses::wait_for_exit(WorkerId id, External& external) {
  external.process.async_wait(Descriptor::wait_read, [this, id](error_code error) {
    if (!error) reap(id);
  });
}

void ExternalProcesses::reap(WorkerId id) {
  External* external = find(id);
  if (external == nullptr) return;
  siginfo_t info{};
  const pid_t pid = external->identity.pid;
  const auto wait = [&](int how) { return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | how); };
  const bool child = wait(WNOWAIT) == 0;
  if (child && info.si_pid == 0) return wait_for_exit(id, *external);
  if (child) {
    ::kill(-pid, SIGKILL);  // what it left behind may have its port
    wait(0);
  }
  // Whoever hears of the end may start it again.
  const std::unique_ptr<External> gone = std::move(externals_.extract(id).mapped());
  records_.remove(gone->name);
  if (gone->state == State::stopping && !gone->killed)
    on_message_(id, link::Message(link::type::kStopped).add("name", std::string_view(gone->name)));
  on_exit_(id, {.status = child ? exit_text(info) : "ended; how is unknown, since it was another controller's"});
}

}  // namespace shoal::controller
