#pragma once

#include <string_view>
#include <utility>
#include <variant>

#include "mqtt/reason_code.hpp"

namespace shoal::mqtt {

/// What a peer did wrong: ends its connection and nothing else. Both texts are literals.
struct ProtocolError {
  ReasonCode code = ReasonCode::protocol_error;
  const char* id = "";    ///< normative statement that was violated
  const char* what = "";  ///< constant phrase
};

/// Bytes that are no packet.
constexpr ProtocolError malformed(const char* id, const char* what) { return {ReasonCode::malformed_packet, id, what}; }
/// A packet that is against the rules.
constexpr ProtocolError violated(const char* id, const char* what) { return {ReasonCode::protocol_error, id, what}; }

/// A decoded `T` or the peer's error.
template <class T>
class [[nodiscard]] Decoded {
 public:
  Decoded(T value) : state_(std::in_place_index<0>, std::move(value)) {}   // NOLINT: implicit by design
  Decoded(ProtocolError error) : state_(std::in_place_index<1>, error) {}  // NOLINT

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& operator*() { return *std::get_if<0>(&state_); }
  const T& operator*() const { return *std::get_if<0>(&state_); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }
  const ProtocolError& error() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, ProtocolError> state_;
};

}  // namespace shoal::mqtt
