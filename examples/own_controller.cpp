// A program of one's own that runs two brokers in one process, each from its own file:
//
//   own_controller plant-a.conf plant-b.conf
//
// A file has lines `key = value`; keys: name, listen, users_file (relative to the file), log_file.
// Each broker has its own port, users, topics and clients. The program counts what passes through
// each of them, and stops on INT or TERM.

#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "shoal/broker.hpp"

namespace {

namespace fs = std::filesystem;

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

shoal::Result<shoal::BrokerOptions> read_options(const fs::path& path) {
  std::ifstream file(path);
  if (!file) return shoal::Error{shoal::ErrorCode::not_found, path.string() + " cannot be read"};
  shoal::BrokerOptions options;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    line = trimmed(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    const auto equals = line.find('=');
    const std::string key = trimmed(line.substr(0, equals));
    const std::string value = equals == std::string::npos ? "" : trimmed(line.substr(equals + 1));
    if (key == "name" && !value.empty()) options.name = value;
    else if (key == "listen" && !value.empty()) options.listeners.push_back({.url = value});
    else if (key == "users_file" && !value.empty()) options.auth.users_file = path.parent_path() / value;
    else if (key == "log_file" && !value.empty()) options.log.file = path.parent_path() / value;
    else
      return shoal::Error{shoal::ErrorCode::invalid_argument, path.string() + ":" + std::to_string(number) +
                                                                  ": expected name, listen, users_file or log_file"};
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: own_controller FILE FILE\n");
    return 2;
  }
  // The library has no signal handlers: what INT and TERM mean is this program's business.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  shoal::Runtime runtime{{.threads = 2}};
  std::atomic<unsigned long> messages[2] = {};
  std::vector<std::unique_ptr<shoal::Broker>> brokers;
  for (int i = 0; i < 2; ++i) {
    auto options = read_options(argv[1 + i]);
    if (!options) {
      std::fprintf(stderr, "own_controller: %s\n", options.error().message.c_str());
      return 1;
    }
    auto broker = shoal::Broker::start(runtime, std::move(*options));
    if (!broker) {
      std::fprintf(stderr, "own_controller: %s\n", broker.error().message.c_str());
      return 1;
    }
    const auto counted =
        (*broker)->subscribe("#", shoal::Qos::at_most_once, [&count = messages[i]](const shoal::Message&) { ++count; });
    const auto greeted = (*broker)->publish(
        {.topic = "greeting", .payload = (*broker)->name(), .qos = shoal::Qos::at_least_once, .retain = true});
    if (!counted || !greeted) return 1;
    std::printf("%s serves port %u\n", (*broker)->name().c_str(), (*broker)->port());
    brokers.push_back(std::move(*broker));
  }
  std::fflush(stdout);

  int signal = 0;
  sigwait(&signals, &signal);
  for (int i = 0; i < 2; ++i) {
    brokers[i]->drain(std::chrono::seconds(2));
    const shoal::Stats stats = brokers[i]->stats();
    std::printf("%s: %lu messages passed, %llu connections\n", brokers[i]->name().c_str(), messages[i].load(),
                static_cast<unsigned long long>(stats.connections_accepted));
    brokers[i]->stop();
  }
  return 0;
}
