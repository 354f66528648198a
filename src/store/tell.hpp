#pragma once

#include <cstddef>
#include <functional>

#include "store/image.hpp"
#include "store/record.hpp"

namespace shoal::store {

/// Puts into `writer` what there is in `image`, which is finished: records that come to the same again. A message comes
/// before whoever refers to it, and only once. `full` is called whenever the writer has `batch_bytes` or more: it takes
/// the records out and clears the writer. What is in it in the end is left there. Pure.
void tell(const Image& image, RecordWriter& writer, std::size_t batch_bytes, const std::function<void()>& full);

}  // namespace shoal::store
