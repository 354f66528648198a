#include "controller/external_records.hpp"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>

namespace shoal::controller {
namespace {

constexpr std::string_view kPid = "process.pid";
constexpr std::string_view kStarted = "process.started";
constexpr std::string_view kBoot = "process.boot";

std::string this_boot() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

Error cannot_write(const std::string& path, const char* why) {
  return {ErrorCode::io, "cannot write " + path + ": " + why};
}

}  // namespace

std::optional<ProcessIdentity> identify(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(file, text, '\0') && text.empty()) return std::nullopt;
  const std::size_t end = text.rfind(')');  // of the program's name, which may have anything in it
  if (end == std::string::npos) return std::nullopt;
  std::istringstream words(text.substr(end + 1));
  std::vector<std::string> fields(std::istream_iterator<std::string>(words), {});
  constexpr std::size_t kState = 0, kStartTime = 19;  // the third and the 22nd of all
  if (fields.size() <= kStartTime || fields[kState] == "Z" || fields[kState] == "X") return std::nullopt;
  return ProcessIdentity{pid, std::stoull(fields[kStartTime]), this_boot()};
}

base::UniqueFd open_process(const ProcessIdentity& identity) {
  if (identity.pid <= 0) return {};
  // In this order: what is so behind the pidfd was so when it was opened, since a start time does not come again.
  base::UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, identity.pid, 0)));
  if (!pidfd || identify(identity.pid) != identity) return {};
  return pidfd;
}

void kill_group(const ProcessIdentity& leader) {
  const base::UniqueFd process = open_process(leader);
  if (!process) return;
  ::kill(-leader.pid, SIGKILL);  // it lives, so the number is its own
  ::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
}

Result<void> ExternalRecords::write(const std::string& name, const ProcessIdentity& process,
                                    const link::Message& told) const {
  link::Message record = told;
  record.add(kPid, static_cast<std::uint64_t>(process.pid)).add(kStarted, process.started);
  record.add(kBoot, std::string_view(process.boot));
  ::mkdir(folder_.c_str(), 0700);
  const std::string path = folder_ + '/' + name;
  const std::string fresh = folder_ + "/." + name;  // no instance is called so
  std::ofstream file(fresh, std::ios::binary | std::ios::trunc);
  file << record.encode();
  file.close();
  if (!file) return cannot_write(fresh, "is the disk full?");
  std::error_code error;
  std::filesystem::rename(fresh, path, error);
  if (error) return cannot_write(path, error.message().c_str());
  return {};
}

void ExternalRecords::remove(const std::string& name) const { ::unlink((folder_ + '/' + name).c_str()); }

std::vector<ExternalRecords::Record> ExternalRecords::read() const {
  std::vector<Record> all;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename();
    if (name.starts_with('.')) continue;
    std::ifstream file(it->path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    auto told = link::Message::decode(text);
    if (!told || told->text("name") != name) continue;
    const auto pid = told->number(kPid, std::numeric_limits<pid_t>::max()).value_or(0);
    ProcessIdentity process{static_cast<pid_t>(pid), told->number(kStarted).value_or(0),
                            std::string(told->text(kBoot))};
    link::Message kept(told->type());
    for (const auto& [key, value] : told->fields())
      if (key != kPid && key != kStarted && key != kBoot) kept.add(key, value);
    all.push_back({name, std::move(process), std::move(kept)});
  }
  std::sort(all.begin(), all.end(), [](const Record& a, const Record& b) { return a.name < b.name; });
  return all;
}

void ExternalRecords::remove_folder() const { ::rmdir(folder_.c_str()); }

}  // namespace shoal::controller
