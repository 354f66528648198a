// What was acknowledged is still there after kill -9. See README.md.

#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "rounds.hpp"

namespace {

using namespace shoal::crash;

struct Options {
  unsigned rounds = 15;
  std::uint64_t seed = 1;
  Serving serving;  // without a folder: a new one, which goes when all is well
  bool verbose = false;
};

int usage() {
  std::fprintf(stderr,
               "usage: crash_test [--rounds N] [--seed S] [--persistence crash_safe|power_safe|none] [--shared] "
               "[--dir DIR] [--verbose]\n");
  return 2;
}

template <class Number>
bool parse(const char* text, Number& number) {
  const char* const end = text + std::strlen(text);
  return std::from_chars(text, end, number).ptr == end && end != text;
}

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--verbose") {
      options.verbose = true;
      continue;
    }
    if (name == "--shared") {
      options.serving.shared = true;
      continue;
    }
    if (++i == argc) return false;
    const std::string value = argv[i];
    if (name == "--rounds" && parse(argv[i], options.rounds)) continue;
    if (name == "--seed" && parse(argv[i], options.seed)) continue;
    if (name == "--dir") options.serving.dir = value;
    else if (name == "--persistence" && (value == "crash_safe" || value == "power_safe" || value == "none"))
      options.serving.persistence = value;
    else return false;
  }
  return true;
}

int test(Options options) {
  const bool own_dir = options.serving.dir.empty();
  if (own_dir) {
    std::string pattern = std::filesystem::temp_directory_path() / "shoal-crash-XXXXXX";
    if (!::mkdtemp(pattern.data())) {
      std::perror("mkdtemp");
      return 2;
    }
    options.serving.dir = pattern;
  }
  World world(options.seed, options.serving, options.verbose);
  const Ledger& ledger = world.ledger();
  std::string failure;
  try {
    run_rounds(world, options.rounds);
  } catch (const std::exception& error) {
    failure = error.what();
  }
  world.server().kill();
  if (failure.empty()) {
    if (own_dir) std::filesystem::remove_all(options.serving.dir);
  } else {
    std::fprintf(stderr, "FAILED with --seed %llu: %s\nThe end of the server's log, which is in %s:\n%s",
                 static_cast<unsigned long long>(options.seed), failure.c_str(), options.serving.dir.c_str(),
                 world.server().last_lines().c_str());
  }
  std::printf(
      "%s: %u rounds, %llu kills; %llu published, %llu acknowledged, %llu received (%llu of them again), "
      "%llu other checks; %s%s, seed %llu\n",
      failure.empty() ? "passed" : "FAILED", world.round, static_cast<unsigned long long>(world.kills),
      static_cast<unsigned long long>(ledger.published), static_cast<unsigned long long>(ledger.acknowledged),
      static_cast<unsigned long long>(ledger.received), static_cast<unsigned long long>(ledger.again),
      static_cast<unsigned long long>(ledger.checks), options.serving.persistence.c_str(),
      options.serving.shared ? ", shared" : "",
      static_cast<unsigned long long>(options.seed));
  return failure.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 6 && std::strcmp(argv[1], "--serve") == 0)
    return serve(std::atoi(argv[2]), {argv[3], argv[4], std::strcmp(argv[5], "shared") == 0});
  Options options;
  return parse(argc, argv, options) ? test(std::move(options)) : usage();
}
