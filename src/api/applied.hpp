#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "api/service.hpp"
#include "shoal/result.hpp"

namespace shoal::api {

boost::json::object to_json(const Applied& applied);
/// Unknown members are ignored, missing ones keep their defaults. Error: not such an object.
Result<Applied> applied_from_json(std::string_view text);

/// `{"instances":[…]}`. Error: invalid_argument, what is wrong with it.
Result<std::vector<Edit::NewInstance>> new_instances_from_json(std::string_view text);
std::string to_json(const std::vector<Edit::NewInstance>& instances);

}  // namespace shoal::api
