#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conversation/bed.hpp"

namespace shoal::fuzz {

/// What the input of `fuzz_session` is made of. Two bytes choose the limits, and whether
/// there is a store; then commands follow, each
/// `command | place << 4 | flags`, then the bytes it takes (program.cpp says which).
enum Command : unsigned {
  kConnect,
  kPublish,
  kSubscribe,
  kUnsubscribe,
  kAnswer,   ///< to what the broker sent
  kAck,      ///< whatever it is
  kRelease,  ///< PUBREL
  kPing,
  kDisconnect,
  kRaw,
  kDrop,
  kRead,  ///< stalls, trickles, reads on
  kTime,
  kCredentials,
  kHost,  ///< publishes, subscribes; or all is killed and started again
  kAuth,
  kCommands,
};
inline constexpr unsigned kOddly = 0x40;     ///< the packet is changed, or comes in two parts
inline constexpr unsigned kSameTurn = 0x80;  ///< the turn does not end behind it

inline constexpr std::string_view kIds[] = {"a", "b", "c", ""};
inline constexpr std::string_view kTopics[] = {"a", "a/b",        "b", "a/b/c", "$SYS/broker/uptime",
                                               "/", "c/\xc3\xa4", "",  "a/+",   "0123456789/0123456789"};
inline constexpr std::string_view kFilters[] = {"a",
                                                "#",
                                                "a/+",
                                                "+/b",
                                                "a/#",
                                                "b",
                                                "$share/g/a/#",
                                                "$share/g/#",
                                                "$share/h/+",
                                                "$SYS/#",
                                                "c/\xc3\xa4",
                                                "/",
                                                "$share/g",
                                                "$share//a",
                                                "a/#/b",
                                                "",
                                                "$share/g+/a",
                                                "$share/h/a/b",
                                                "0123456789/#",
                                                "$share/h/b"};

/// Runs a program.
class Program {
 public:
  Program(const std::uint8_t* data, std::size_t size) : data_(data), end_(data + size) {}

  void run();

 private:
  bool done() const { return data_ == end_; }
  unsigned byte() { return done() ? 0 : *data_++; }
  template <class T, std::size_t N>
  T pick(const T (&table)[N]) {
    return table[byte() % N];
  }

  BrokerOptions options();
  void step(Bed& bed);
  void connect(Bed& bed, std::size_t place, bool oddly);
  std::vector<std::uint8_t> packet(unsigned command, Peer& peer);
  mqtt::Publish publish(mqtt::PropertyWriter& properties, mqtt::PropertyPlace place);
  void send(Peer& peer, std::vector<std::uint8_t> bytes, bool oddly);
  void host(Bed& bed);

  const std::uint8_t* data_;
  const std::uint8_t* end_;
  std::string payload_;
  unsigned serial_ = 0;
};

}  // namespace shoal::fuzz
