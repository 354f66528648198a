#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

/// A fuzz target is one source file with these two functions. libFuzzer drives the first; `run_seeds.cpp`
/// drives it with the seeds and what it makes of them, and writes them as files.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace shoal::fuzz {

using Seed = std::vector<std::uint8_t>;

/// Inputs that are worth starting from.
std::vector<Seed> seeds();

/// Ends the process when something that always holds does not.
inline void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

inline Seed seed(std::string_view text) { return {text.begin(), text.end()}; }

}  // namespace shoal::fuzz
