#pragma once

#include <boost/json/fwd.hpp>
#include <string_view>

#include "api/service.hpp"
#include "shoal/result.hpp"

namespace shoal::api {

boost::json::object to_json(const Applied& applied);
/// Unknown members are ignored, missing ones keep their defaults. Error: not such an object.
Result<Applied> applied_from_json(std::string_view text);

}  // namespace shoal::api
