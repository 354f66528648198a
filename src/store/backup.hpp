#pragma once

#include <cstdint>
#include <string>

#include "store/image.hpp"
#include "store/log.hpp"
#include "store/totals.hpp"

// What of a store is put into one file, and back. The file is a segment with everything there was, in batches from 1
// on; the last batch says only `Alive`, so that a file of which a part is missing is known. docs/formats/store.md.

namespace shoal::store {

/// A log as it was read, and what it comes to. A value that moves; the image refers to the content.
struct Reading {
  LogContent content;
  Image image;
  Image::Missing missing;
  WallMs alive_until = 0;  ///< when the last batch was ended; 0: there is none
};

/// What `content` comes to. A batch with a record that cannot be read is one more damage of its report.
Reading comes_to(LogContent content);

/// Reads a store that may be in use, without its lock and without its owner's help: what there was at one moment after
/// the call began, so all that was committed before. A batch that is being written is not part of it. `directory` needs
/// no lock. Errors: as `read_log`.
Result<LogContent> read_running(Directory& directory);
/// The same. Errors: not_found (there is no such folder), permission_denied, too.
Result<LogContent> read_running(const std::string& path);

/// Writes `image`, whose instance was last there at `alive_until`, to `file`: beside it first, then synced, then in its
/// place, so that there is a whole backup, the one before, or none. `now`: when it is made. Its size. Errors:
/// invalid_argument (there is something else in that place), permission_denied, not_found (no such folder), io.
Result<std::uint64_t> write_backup(const Image& image, WallMs alive_until, WallMs now, const std::string& file);

/// Reads such a file. What is wrong with it is in the report. Errors: not_found, permission_denied, io, unavailable (a
/// newer format).
Result<LogContent> read_backup(const std::string& file);

struct Restored {
  Totals totals;
  std::string kept_aside;  ///< folder with what was there before; empty: there was nothing
};

/// Makes what is in the backup the content of a store, which is made when it is missing, with its folders. With `force`
/// what is in there is moved to `<store>.before-restore-<UTC time>` beside it. Errors, and nothing was changed then:
/// those of `read_backup`; io (the file is damaged: says what); unavailable (somebody has the store: says who);
/// invalid_argument (there is something in it: says how much). Errors after which it has to be done again: io.
Result<Restored> restore_backup(const std::string& file, const std::string& store, bool force, WallMs now);

}  // namespace shoal::store
