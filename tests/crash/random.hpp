#pragma once

#include <cstdint>
#include <random>

namespace shoal::crash {

/// The same on every machine for a seed.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  /// 0 to `end` - 1.
  std::uint64_t below(std::uint64_t end) { return engine_() % end; }
  std::uint64_t between(std::uint64_t first, std::uint64_t last) { return first + below(last - first + 1); }
  bool chance(unsigned percent) { return below(100) < percent; }
  bool permille(unsigned permille) { return below(1000) < permille; }

 private:
  std::mt19937_64 engine_;
};

}  // namespace shoal::crash
