#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "shoal/result.hpp"

namespace shoal::store {

/// 0, or the errno of what the operating system refused.
using Errno = int;

/// What a disk says that has lost something. All else is about this process, or the moment.
bool is_damage(Errno error);

/// A file that only grows at its end. A resource; one thread at a time.
class File {
 public:
  virtual ~File() = default;

  virtual std::uint64_t size() const = 0;
  /// Appends all of it, or fails after a part: `size` tells.
  virtual Errno append(base::Bytes bytes) = 0;
  /// Takes room on the disk for `bytes` behind the end, so that appending that much cannot fail for want of it.
  /// EOPNOTSUPP where the file system cannot.
  virtual Errno reserve(std::uint64_t bytes) = 0;
  /// What the file system has left, the most there is when it does not know. May take as long as `append`.
  virtual std::uint64_t room() const = 0;
  /// Cuts what is behind `size`, room that was reserved included.
  virtual Errno truncate(std::uint64_t size) = 0;
  /// What was appended survives a power cut. May take long.
  virtual Errno sync() = 0;
  /// Reads from `offset` on; `got` is less than asked for at the end only.
  virtual Errno read(std::uint64_t offset, std::span<std::uint8_t> to, std::size_t& got) const = 0;
};

/// The folder of one instance's store, which nobody else has. A resource; any thread, but what changes one file comes
/// from one at a time. Names are those of files in it.
class Directory {
 public:
  virtual ~Directory() = default;

  virtual Errno list(std::vector<std::string>& names) const = 0;
  /// A new file; EEXIST when it is there.
  virtual Errno create(const std::string& name, std::unique_ptr<File>& file) = 0;
  virtual Errno open(const std::string& name, std::unique_ptr<File>& file) = 0;
  virtual Errno rename(const std::string& from, const std::string& to) = 0;
  virtual Errno remove(const std::string& name) = 0;
  /// What was created, renamed and removed survives a power cut.
  virtual Errno sync() = 0;
  /// For messages.
  virtual const std::string& path() const = 0;
};

/// Makes the folder when it is missing and locks it until the result goes. Errors: unavailable (another process, or
/// another instance of this one, has it: the message says who), permission_denied, io.
Result<std::unique_ptr<Directory>> open_directory(const std::string& path);

/// The same without making or locking anything, to look at a store that may be in use. Nothing can be changed.
Result<std::unique_ptr<Directory>> read_directory(const std::string& path);

}  // namespace shoal::store
