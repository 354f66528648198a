#pragma once

#include <string>
#include <utility>
#include <variant>

namespace shoal {

/// What kind of thing went wrong; the message says the rest.
enum class ErrorCode {
  invalid_argument,    ///< an option or argument is out of range or malformed
  address_in_use,      ///< a listener's address and port belong to somebody else
  permission_denied,   ///< the operating system refused access
  not_found,           ///< a file, instance or address that was named does not exist
  resource_exhausted,  ///< descriptors, memory or a configured limit ran out
  io,                  ///< the operating system reported another failure
  closed,              ///< the object was already stopped
  unavailable,         ///< not possible now (wrong thread, not ready, refused)
};

/// A failure as a value. `message` is one line for a person: what failed, where (file, address,
/// instance) and, where there is something to do, what to do.
struct Error {
  ErrorCode code = ErrorCode::io;
  std::string message{};
};

/// Either a `T` or an `Error`. A value: copy, move and return it freely.
/// Reading the wrong alternative is a bug of the caller and throws std::bad_variant_access.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

/// Success without a value, or an `Error`.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : state_(std::move(error)) {}  // NOLINT: implicit by design

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<std::monostate, Error> state_;
};

}  // namespace shoal
