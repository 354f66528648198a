#pragma once

#include <cstdint>
#include <vector>

#include "store/directory.hpp"
#include "store/store.hpp"

// Bodies of messages, from where they were written. A record is trusted when the checksum that its message had in
// memory confirms it.

namespace shoal::store {

/// Bytes of a message's record from its topic on, up to its end.
std::size_t body_span(std::size_t topic_size, std::size_t properties_size, std::size_t payload_size);
/// `span` are so many bytes from `wanted.offset` on. Empty when they are something else. Pure.
Body take_body(const Wanted& wanted, base::Bytes span);

/// What is to be read, and the number of its segment; 0: there is none any more.
struct WantedFrom {
  std::uint64_t segment = 0;
  Wanted wanted;
};

/// Reads them from the files of a log, `bodies` as in `Store::read`. Where a body is not where it should be, because a
/// write failed and could not be undone, its segment is searched for it. Errors: those of the moment, such as too many
/// open files; nothing is known then, and it can be tried again. Any thread.
Errno read_back(Directory& directory, const std::vector<WantedFrom>& wanted, std::vector<Body>& bodies);

}  // namespace shoal::store
