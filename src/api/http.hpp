#pragma once

#include <string>
#include <string_view>

namespace shoal::api {

/// A request as the routes see it. A value.
struct Request {
  std::string method = "GET";
  std::string target{};  ///< path and query, e.g. `/v1/instances/lab/stop?wait=5000`
  std::string body{};    ///< JSON or empty
};

/// An answer. Errors are `{"error":{"code":"...","message":"..."}}`.
struct Response {
  int status = 200;
  std::string body{};
  std::string_view content_type = "application/json";  ///< a constant
};

}  // namespace shoal::api
