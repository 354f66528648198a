#include <random>

#include "conversation/program.hpp"
#include "packet_cases/packet_case.hpp"
#include "target.hpp"

namespace {

using namespace shoal;
using fuzz::Seed;

// Of kConnect.
constexpr unsigned kV5 = 0, kV311 = 1, kV31 = 3, kClean = 4, kWill = 8, kWith = 0x40, kAgain = 0x80;
constexpr unsigned id(unsigned index) { return index << 4; }
// Of kPublish, the rest of the byte is the QoS.
constexpr unsigned kRetain = 4, kDup = 8, kProperties = 16;
constexpr unsigned packet_id(unsigned number) { return (number - 1) << 6; }
// What kPublish ends with: topic, size.
constexpr unsigned kA = 0, kAB = 1, kB = 2;

// A program in the making: what is done at a place, then the command's bytes.
class Script {
 public:
  explicit Script(unsigned limits = 0) { add({limits & 0xff, limits >> 8}); }

  Script& operator()(unsigned command, unsigned place, std::initializer_list<unsigned> bytes = {}) {
    add({command | place << 4});
    add(bytes);
    return *this;
  }
  const Seed& seed() const { return seed_; }

 private:
  void add(std::initializer_list<unsigned> bytes) {
    for (const unsigned byte : bytes) seed_.push_back(static_cast<std::uint8_t>(byte));
  }

  Seed seed_;
};

using namespace shoal::fuzz;

std::vector<Seed> conversations() {
  std::vector<Seed> seeds;
  for (const unsigned version : {kV5, kV311, kV31}) {
    for (const unsigned limits : {0u, 1u, 0x10u, 0x28u, 0xffu, 0xf000u, 0xf001u}) {
      // Every QoS, answered.
      Script flow(limits);
      flow(kConnect, 0, {version | kClean | id(0)})(kConnect, 1, {version | kClean | id(1)});
      flow(kSubscribe, 0, {0x04, 1, 2, 0, 1});
      for (unsigned qos = 0; qos < 3; ++qos) {
        for (unsigned n = 1; n < 4; ++n) flow(kPublish, 1, {qos | packet_id(n), kAB, 1 + 80 * n});
        for (unsigned n = 1; n < 8; ++n) flow(kAnswer, 0, {0})(kRelease, 1, {0});
      }
      seeds.push_back(flow(kDisconnect, 0, {0, 0})(kDrop, 1).seed());

      // A session that is away, what waits for it, and its return.
      Script away(limits);
      away(kConnect, 0, {version | id(0) | kWith, 3, 3, 1})(kSubscribe, 0, {0x81, 4, 2});
      away(kConnect, 1, {version | kClean | id(1)})(kPublish, 1, {2, kAB, 4})(kDrop, 0);
      for (unsigned n = 1; n < 5; ++n) away(kPublish, 1, {(1 + n % 2) | packet_id(n), kA, 200});
      away(kTime, 0, {5})(kHost, 0, {0xec})(kConnect, 2, {version | id(0) | kWith, 3, 3, 1});
      for (unsigned n = 1; n < 12; ++n) away(kAnswer, 2, {0});
      away(kConnect, 3, {version | id(0) | kWill, 1, kB, 9, 2})(kAck, 3, {6})(kAck, 3, {4 | 2});
      seeds.push_back(away(kDrop, 3)(kTime, 0, {9})(kTime, 0, {9}).seed());

      // Retained messages, a reader that does not read, wills with and without delay.
      Script kept(limits);
      kept(kConnect, 0, {version | kClean | kWill | id(0), kRetain | 1, kAB, 30, 0});
      for (unsigned topic = 0; topic < 4; ++topic) kept(kPublish, 0, {kRetain | 1, topic, 240});
      kept(kConnect, 1, {version | id(1)})(kRead, 1, {0})(kSubscribe, 1, {0, 1, 1})(kRead, 1, {90});
      for (unsigned n = 0; n < 4; ++n) kept(kPublish, 0, {2 | packet_id(1 + n), kA, 200});
      for (unsigned n = 0; n < 5; ++n) kept(kPublish, 0, {0, kA, 254});
      kept(kHost, 0, {0xec})(kTime, 0, {2})(kRead, 1, {200})(kPublish, 0, {kRetain, kAB, 0})(kDrop, 0)(kRead, 1, {1});
      seeds.push_back(kept(kTime, 0, {8})(kUnsubscribe, 1, {0, 1}).seed());

      // Shared subscriptions, members that come and go.
      Script shared(limits);
      for (unsigned place = 0; place < 3; ++place) {
        shared(kConnect, place, {version | id(place) | kWith, 3, 2, 1})(kSubscribe, place, {0x04, 6, place, 7, 1});
      }
      shared(kConnect, 3, {version | kClean | id(3)});
      for (unsigned n = 0; n < 9; ++n) shared(kPublish, 3, {n % 3 | packet_id(1 + n % 3), kAB, 3})(kRelease, 3, {0});
      shared(kAnswer, 0, {0})(kDrop, 1)(kAnswer, 2, {0x80})(kDrop, 0)(kDrop, 2);
      for (unsigned n = 0; n < 4; ++n) shared(kPublish, 3, {1, kAB, 3});
      shared(kHost, 0, {0xec})(kConnect, 1, {version | id(1)})(kUnsubscribe, 1, {4, 6, 7})(kTime, 0, {9});
      seeds.push_back(shared(kConnect, 0, {version | id(0)})(kAnswer, 0, {0})(kTime, 0, {9}).seed());
    }
  }
  // Properties of 5.0: aliases both ways, expiry, what must not come from a client.
  Script v5(0x8000);
  v5(kConnect, 0, {kClean | kWith | id(0), 8 | 16, 0, 3, 0})(kSubscribe, 0, {0x81, 4, 0x0a});
  v5(kSubscribe, 0, {0x82, 2, 0x2d})(kSubscribe, 0, {0x80, 9, 0});
  v5(kConnect, 1, {kClean | kWith | id(1), 32, 0, 5});
  for (unsigned n = 0; n < 5; ++n)
    v5(kPublish, 1, {1 | kProperties, n == 0 ? kAB : 7, 8, 2 | 4 | 8 | 16 | 32 | 64, 0, 0});
  v5(kPublish, 1, {kRetain | kProperties, kA, 9, 1, 3})(kTime, 0, {6})(kPing, 1)(kSubscribe, 0, {0, 0, 1});
  v5(kTime, 0, {7})(kTime, 0, {7})(kPublish, 0, {kProperties, kA, 4, 128, 1})(kAuth, 1, {0x18});
  v5(kConnect, 2, {kWith | id(2), 16 | 1, 3, 0})(kPublish, 2, {1, 4, 3})(kSubscribe, 2, {0, 14, 1})(kPublish, 2,
                                                                                                    {2, 4, 3});
  v5(kDisconnect, 2, {1, 1})(kTime, 0, {6})(kConnect, 2, {kWith | id(2), 1, 3});
  seeds.push_back(v5(kTime, 0, {7}).seed());
  // A client that takes no large packets, and small windows; what it gets on two connections.
  Script small;
  small(kConnect, 0, {id(0) | kWith, 1 | 2 | 4, 3, 1, 50})(kSubscribe, 0, {0, 4, 2})(kSubscribe, 0, {0x81, 0, 2});
  small(kConnect, 1, {kClean | id(1)});
  for (unsigned n = 1; n < 9; ++n)
    small(kPublish, 1, {1 + n % 2 + packet_id(1 + n % 4), kAB, 30 * n})(kRelease, 1, {0});
  small(kAnswer, 0, {0})(kPublish, 1, {0, kAB, 200})(kConnect, 2, {id(0) | kWith, 1 | 2 | 4, 3, 3, 30});
  for (unsigned n = 0; n < 9; ++n) small(kAnswer, 2, {0});
  seeds.push_back(small(kTime, 0, {8}).seed());
  // Queues filled to the last byte, with properties.
  Script full(0x80);
  full(kConnect, 0, {id(0) | kWith, 1, 3})(kSubscribe, 0, {0x81, 4, 1})(kSubscribe, 0, {0x02, 0, 1})(kDrop, 0);
  seeds.push_back(full(kHost, 0, {0, 1, kA, 138})(kHost, 0, {0, 1, kA, 138}).seed());
  full(kConnect, 1, {kClean | id(1)});
  for (unsigned n = 0; n < 9; ++n) full(kPublish, 1, {1 | kProperties, kA, 20, 4 | 16 | 32 | 64});
  seeds.push_back(full.seed());
  // Members that end while their group's queue is full.
  Script group(0x42);
  group(kConnect, 3, {id(2) | kWith, 1, 3})(kSubscribe, 3, {0, 6, 1})(kDrop, 3)(kConnect, 1, {kClean | id(1)});
  for (unsigned n = 0; n < 9; ++n) {
    group(kConnect, 0, {kClean | id(0) | kWith, 2, 0, 3})(kSubscribe, 0, {0, 6, 1});
    for (unsigned m = 0; m < 5; ++m) group(kPublish, 1, {1, kA, 9})(kTime, 0, {3});
    group(kDrop, 0);
  }
  seeds.push_back(group.seed());
  // Credentials that have to be verified, a take-over, the host, what is sent in parts.
  Script verified;
  verified(kCredentials, 0, {2})(kConnect, 0, {kWill | id(0), 1, kA, 5, 0})(kPublish, 0, {1, kA, 4})(kPing, 0);
  verified(kConnect, 1, {id(0)})(kCredentials, 0, {0x81})(kCredentials, 0, {0x81})(kCredentials, 0, {0});
  verified(kHost, 0, {0xf5})(kHost, 0, {1, kA | 1, kAB, 4})(kSubscribe, 1, {0, 1, 2})(kHost, 0,
                                                                                      {1, 2 | kRetain, kA, 4});
  verified(kCredentials, 0, {2})(kConnect, 2, {kV311 | id(1)})(kCredentials, 0, {0x80})(kCredentials, 0, {0x42});
  verified(kConnect, 3, {id(2)})(kCredentials, 0, {1})(kConnect, 3, {kV31 | id(2)})(kConnect | kOddly, 3, {kV5, 30});
  verified(kConnect, 1, {kAgain | id(1)})(kPublish | kOddly, 1, {1 | kDup, kA, 4, 7, 0x55})(kDisconnect, 2, {3, 3});
  seeds.push_back(verified(kTime, 0, {8}).seed());
  return seeds;
}

// The packets of the table, as the first one and after CONNECT.
std::vector<Seed> packets() {
  std::vector<Seed> seeds;
  for (const auto& packet : packet_cases::all()) {
    const auto bytes = packet_cases::to_bytes(packet.notation);
    if (bytes.size() > 0xff) continue;
    for (const mqtt::Version version : packet_cases::versions_of(packet)) {
      const unsigned connect = version == mqtt::Version::v5 ? kV5 : version == mqtt::Version::v3_1_1 ? kV311 : kV31;
      Script script;
      script(kConnect, 0, {connect | kClean | id(0)})(kSubscribe, 0, {0, 1, 2});
      Seed seed = script.seed();
      for (const unsigned place : {0u, 1u}) {
        seed.push_back(static_cast<std::uint8_t>(kRaw | place << 4));
        seed.push_back(static_cast<std::uint8_t>(bytes.size()));
        seed.insert(seed.end(), bytes.begin(), bytes.end());
      }
      seeds.push_back(seed);
    }
  }
  return seeds;
}

Seed any(std::mt19937& random) {
  const auto below = [&](unsigned bound) { return static_cast<unsigned>(random() % bound); };
  Script script(below(3) == 0 ? 0 : below(65'536) & below(65'536));
  for (unsigned place = 0; place < Bed::kPeers; ++place) {
    script(kConnect, place, {below(128) & ~0u, 3, below(5), below(4), below(256), below(256)});
    script(kSubscribe, place, {below(256) & ~0x0cu, below(std::size(kFilters)), below(256)});
  }
  for (int steps = 0; steps < 80; ++steps) {
    static constexpr unsigned kOften[] = {kPublish, kPublish, kPublish, kAnswer,
                                          kAnswer,  kAnswer,  kRelease, kSubscribe};
    const unsigned command = below(2) == 0 ? kOften[below(8)] : below(kCommands);
    const unsigned flags = (below(16) == 0 ? kOddly : 0) | (below(4) == 0 ? kSameTurn : 0);
    if (command == kRaw) continue;
    script(command | flags, below(4), {below(256), below(256), below(256)});
  }
  return script.seed();
}

}  // namespace

std::vector<Seed> fuzz::seeds() {
  std::vector<Seed> seeds = conversations();
  for (Seed& seed : packets()) seeds.push_back(std::move(seed));
  std::mt19937 random(17);
  for (int i = 0; i < 100; ++i) seeds.push_back(any(random));
  return seeds;
}
