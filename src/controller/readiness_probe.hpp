#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>

namespace shoal::controller {

/// Asks whether a broker serves at 127.0.0.1, with an MQTT 3.1.1 CONNECT: again and again, until a CONNACK comes. Any
/// will do: who refuses a stranger serves, too. A resource; lives on the thread that runs `context`, never blocks it.
class ReadinessProbe {
 public:
  /// `on_answer` is called once, from within `context`, and may destroy the probe.
  ReadinessProbe(boost::asio::io_context& context, std::uint16_t port, std::function<void()> on_answer);
  /// Asks no more.
  ~ReadinessProbe();

 private:
  struct Asking;
  std::shared_ptr<Asking> asking_;
};

}  // namespace shoal::controller
