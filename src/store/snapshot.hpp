#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "store/directory.hpp"

namespace shoal::store {

/// Segments that were read into memory, as a folder for `read_log`, which takes them out: each can be opened once.
/// Nothing can be changed. A resource; one thread.
class Snapshot final : public Directory {
 public:
  /// `path`: for messages.
  explicit Snapshot(std::string path) : path_(std::move(path)) {}

  /// Takes the segments of a store that may be in use, so that they are what there was at one moment after the call.
  Errno take(Directory& directory);
  /// Takes one file as the segment `number`.
  void take(std::uint64_t number, std::unique_ptr<File> file);

  Errno list(std::vector<std::string>& names) const override;
  Errno create(const std::string& name, std::unique_ptr<File>& file) override;
  Errno open(const std::string& name, std::unique_ptr<File>& file) override;
  Errno rename(const std::string& from, const std::string& to) override;
  Errno remove(const std::string& name) override;
  Errno sync() override;
  const std::string& path() const override { return path_; }

 private:
  struct Held {
    std::unique_ptr<File> file;
    Errno error = 0;     // why there is none
    bool final = false;  // nothing is appended to it any more
  };

  std::string path_;
  std::map<std::uint64_t, Held> held_;
};

}  // namespace shoal::store
