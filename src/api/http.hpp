#pragma once

#include <string>

namespace shoal::api {

/// A request as the routes see it. A value.
struct Request {
  std::string method = "GET";
  std::string target{};  ///< path and query, e.g. `/v1/instances/lab/stop?wait=5000`
  std::string body{};    ///< JSON or empty
};

/// An answer. `body` is JSON; errors are `{"error":{"code":"...","message":"..."}}`.
struct Response {
  int status = 200;
  std::string body{};
};

}  // namespace shoal::api
