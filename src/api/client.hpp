#pragma once

#include <chrono>
#include <string>

#include "api/http.hpp"
#include "shoal/result.hpp"

namespace shoal::api {

/// One request over the control socket; blocks for at most `limit`. Any thread.
/// Errors: unavailable (nobody listens there: no controller), permission_denied (the socket belongs to
/// another user), io (anything else, the time limit included). An HTTP error status is not an Error.
Result<Response> call(const std::string& socket_path, const Request& request, std::chrono::milliseconds limit);

}  // namespace shoal::api
