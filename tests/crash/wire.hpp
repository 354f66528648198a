#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/unique_fd.hpp"
#include "mqtt/decode.hpp"

namespace shoal::crash {

/// A socket that never blocks, and packets on it.
class Wire {
 public:
  /// Begins to connect to that port of this machine.
  void open(std::uint16_t port);
  void close();
  bool is_open() const { return static_cast<bool>(fd_); }
  int fd() const { return fd_.get(); }
  /// Events to wait for.
  short events() const;

  /// Sent with the next `flush`.
  void put(const mqtt::Packet& packet, mqtt::Version version) { mqtt_encode(packet, version); }
  /// What cannot be sent stays; a connection that is gone shows when reading.
  void flush();
  bool flushed() const { return sent_ == out_.size(); }
  /// Calls `on_frame` for each packet that has come. False when there will be no more: the connection is gone.
  bool read(const std::function<void(const mqtt::Frame&)>& on_frame);

 private:
  void mqtt_encode(const mqtt::Packet& packet, mqtt::Version version);

  base::UniqueFd fd_;
  std::vector<std::uint8_t> out_;
  std::size_t sent_ = 0;
  std::vector<std::uint8_t> in_;
};

}  // namespace shoal::crash
