#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shoal/result.hpp"

namespace shoal::link {

/// Version of the words below. A controller drives workers of its own version and the one before.
inline constexpr unsigned kVersion = 1;

/// Bounds of one message; what is larger is refused on both sides.
inline constexpr std::size_t kMessageBytesMax = 64 * 1024;
inline constexpr std::size_t kFieldsMax = 1024;

/// Fields of `start` and `change` that begin with this are kept and told to the next controller, nothing else.
inline constexpr std::string_view kNote = "note.";

/// What can be said. Who reads ignores types and fields that it does not know.
namespace type {
// controller to worker
inline constexpr std::string_view kStart = "start";  ///< options; sockets as descriptors, in the order of `listener`
inline constexpr std::string_view kStop = "stop";    ///< name, drain_ms
/// The same as `start` for an instance that is served; `kept-listener` instead of `listener` where it has the socket.
inline constexpr std::string_view kChange = "change";
inline constexpr std::string_view kReloadUsers = "reload-users";  ///< name
inline constexpr std::string_view kReopenLogs = "reopen-logs";    ///< all instances
inline constexpr std::string_view kSet = "set";  ///< name, and options as in `start`; those that change live: log.level
inline constexpr std::string_view kStats = "stats";            ///< name; answered by the same type
inline constexpr std::string_view kClients = "clients";        ///< name, request, from, most; answered by the same type
inline constexpr std::string_view kDisconnect = "disconnect";  ///< name, request, client
inline constexpr std::string_view kShutdown = "shutdown";      ///< drain_ms: drain everything and end
// worker to controller
/// version, pid, instances: so many `hosts` follow; with the descriptor of its `WorkerPage`. Comes first.
inline constexpr std::string_view kHello = "hello";
/// What it was told about an instance it has, all fields of `start`, and `state` (starting, ready or stopping) and
/// `ready_ms`: for so long; with the sockets again. To a controller that comes later.
inline constexpr std::string_view kHosts = "hosts";
inline constexpr std::string_view kReady = "ready";      ///< name, port for each listener
inline constexpr std::string_view kRefused = "refused";  ///< name, error
inline constexpr std::string_view kStopped = "stopped";  ///< name
/// name, to (a type, or `write-log`, which instances do unasked), error when it failed. A question's `request` comes
/// back, in every answer.
inline constexpr std::string_view kReply = "reply";
}  // namespace type

/// A type and fields in order; a field may repeat. On the wire: one line for the type and one
/// `key=value` line per field, `\` and line ends escaped. A value.
class Message {
 public:
  explicit Message(std::string_view type) : type_(type) {}

  const std::string& type() const { return type_; }

  /// `key`: a-z 0-9 . _ - only (ours, asserted). `value`: any bytes.
  Message& add(std::string_view key, std::string_view value);
  Message& add(std::string_view key, std::unsigned_integral auto value) {
    return add(key, std::string_view(std::to_string(value)));
  }

  /// First value of `key`; empty when there is none. Valid as long as the message.
  std::string_view text(std::string_view key) const;
  /// First value of `key` as a decimal number; nothing when it is missing, malformed or above `max`.
  std::optional<std::uint64_t> number(std::string_view key, std::uint64_t max = UINT64_MAX) const;
  bool has(std::string_view key) const;
  /// The same fields under another type.
  Message as(std::string_view type) const;
  const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

  std::string encode() const;
  /// Errors: invalid_argument for what is no message or is above a bound.
  static Result<Message> decode(std::string_view bytes);

 private:
  std::string type_;
  std::vector<std::pair<std::string, std::string>> fields_;
};

}  // namespace shoal::link
