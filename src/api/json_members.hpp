#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shoal::api {

/// The string that `object` has under `key`; empty: it has none.
std::string text_of(const boost::json::object& object, std::string_view key);
/// The whole number, 0 or above, that it has there.
std::optional<std::uint64_t> number_of(const boost::json::object& object, std::string_view key);

}  // namespace shoal::api
