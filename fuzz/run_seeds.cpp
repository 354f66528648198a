// Runs a fuzz target without libFuzzer: over its seeds, then over mutations of them, always the same
// ones. `--write DIR` writes the seeds as files for libFuzzer instead; `FILE...` runs those files.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "target.hpp"

namespace {

using shoal::fuzz::Seed;

constexpr std::size_t kMutations = 20'000;
constexpr std::size_t kSizeMax = 4'096;

void run(const Seed& input) {
  // A block of exactly this size, so that the sanitizer sees a read behind it.
  const Seed exact(input.begin(), input.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

class Mutator {
 public:
  explicit Mutator(const std::vector<Seed>& seeds) : seeds_(seeds) {}

  Seed next() {
    Seed input = seeds_[below(seeds_.size())];
    for (std::size_t steps = 1 + below(4); steps > 0; --steps) step(input);
    if (input.size() > kSizeMax) input.resize(kSizeMax);
    return input;
  }

 private:
  std::size_t below(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_); }
  std::uint8_t byte() {
    constexpr std::uint8_t kTelling[] = {0, 1, 2, 0x7f, 0x80, 0xff, '/', '+', '#', '$', '\n', 0x26, 0xc0, 0xed};
    return below(2) == 0 ? kTelling[below(std::size(kTelling))] : static_cast<std::uint8_t>(below(256));
  }

  void step(Seed& input) {
    const std::size_t at = below(input.size() + 1);
    const auto place = input.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(7)) {
      case 0:
        if (at < input.size()) *place ^= static_cast<std::uint8_t>(1u << below(8));
        break;
      case 1:
        if (at < input.size()) *place = byte();
        break;
      case 2: input.insert(place, byte()); break;
      case 3:
        if (at < input.size()) input.erase(place);
        break;
      case 4: input.resize(at); break;
      case 5: {  // a part once more
        const Seed part(place, place + static_cast<std::ptrdiff_t>(below(input.size() - at + 1)));
        input.insert(input.end(), part.begin(), part.end());
        break;
      }
      default: {  // the front of one and the back of another
        const Seed& other = seeds_[below(seeds_.size())];
        input.resize(at);
        input.insert(input.end(), other.begin() + static_cast<std::ptrdiff_t>(below(other.size() + 1)), other.end());
      }
    }
  }

  const std::vector<Seed>& seeds_;
  std::mt19937_64 random_{20'240'229};
};

int write(const std::vector<Seed>& seeds, const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    std::ofstream file(folder / ("seed-" + std::to_string(i)), std::ios::binary);
    file.write(reinterpret_cast<const char*>(seeds[i].data()), static_cast<std::streamsize>(seeds[i].size()));
    if (!file.flush()) {
      std::fprintf(stderr, "cannot write seeds to %s\n", folder.c_str());
      return 1;
    }
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  const auto seeds = shoal::fuzz::seeds();
  if (count == 3 && std::string_view(arguments[1]) == "--write") return write(seeds, arguments[2]);
  for (int i = 1; i < count; ++i) {
    std::ifstream file(arguments[i], std::ios::binary);
    run(Seed(std::istreambuf_iterator<char>(file), {}));
  }
  if (count > 1) return 0;
  for (const Seed& each : seeds) run(each);
  Mutator mutator(seeds);
  for (std::size_t i = 0; i < kMutations; ++i) run(mutator.next());
  std::printf("%zu seeds, %zu mutations\n", seeds.size(), kMutations);
}
