#include "store/snapshot.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "store/segment.hpp"

namespace shoal::store {
namespace {

// Segments may come and go while they are read; nobody can be so much faster than a reader for so long.
constexpr unsigned kRoundsMax = 10'000;

/// What was in a file; it goes with this.
class HeldFile final : public File {
 public:
  HeldFile(std::unique_ptr<std::uint8_t[]> memory, std::uint64_t size) : memory_(std::move(memory)), size_(size) {}

  std::uint64_t size() const override { return size_; }
  Errno append(base::Bytes) override { return EROFS; }
  Errno reserve(std::uint64_t) override { return EROFS; }
  std::uint64_t room() const override { return 0; }
  Errno truncate(std::uint64_t) override { return EROFS; }
  Errno sync() override { return EROFS; }
  Errno read(std::uint64_t offset, std::span<std::uint8_t> to, std::size_t& got) const override {
    got = offset < size_ ? static_cast<std::size_t>(std::min<std::uint64_t>(size_ - offset, to.size())) : 0;
    if (got > 0) std::memcpy(to.data(), memory_.get() + offset, got);
    return 0;
  }

 private:
  std::unique_ptr<std::uint8_t[]> memory_;
  std::uint64_t size_;
};

// As it is now; what cannot be read now can be tried again by whoever reads the result.
std::unique_ptr<File> held(std::unique_ptr<File> file) {
  const std::uint64_t size = file->size();
  auto memory = std::make_unique_for_overwrite<std::uint8_t[]>(size);
  std::uint64_t have = 0;
  while (have < size) {
    std::size_t got = 0;
    if (file->read(have, {memory.get() + have, static_cast<std::size_t>(size - have)}, got) != 0) return file;
    if (got == 0) break;
    have += got;
  }
  return std::make_unique<HeldFile>(std::move(memory), have);
}

// A listing is not of one moment: it may lack what came meanwhile and what went meanwhile. What went was written again
// in front of what came; so when nothing came between the start of this and the end, none of it is missing.
Errno list_segments(const Directory& directory, std::vector<std::uint64_t>& numbers) {
  std::vector<std::uint64_t> later;
  for (unsigned round = 0; round < kRoundsMax; ++round) {
    numbers.swap(later);
    later.clear();
    std::vector<std::string> names;
    if (const Errno error = directory.list(names)) return error;
    for (const std::string& name : names) {
      if (const auto number = segment_number(name)) later.push_back(*number);
    }
    std::sort(later.begin(), later.end());
    const bool same = numbers.empty() ? later.empty() : !later.empty() && numbers.back() == later.back();
    if (round > 0 && same) return 0;
  }
  return EBUSY;
}

}  // namespace

Errno Snapshot::take(Directory& directory) {
  for (unsigned round = 0; round < kRoundsMax; ++round) {
    std::vector<std::uint64_t> numbers;
    if (const Errno error = list_segments(directory, numbers)) return error;
    std::erase_if(held_, [&](const auto& each) {
      return !each.second.final || !std::binary_search(numbers.begin(), numbers.end(), each.first);
    });
    bool vanished = false;
    for (const std::uint64_t number : numbers) {
      if (held_.contains(number)) continue;
      std::unique_ptr<File> file;
      const Errno error = directory.open(segment_name(number), file);
      if (error == ENOENT) {
        // What was live in it, and in those before, was written again behind. The next listing has none of them: there
        // may be what this one had ended.
        vanished = true;
        continue;
      }
      if (error == 0) file = held(std::move(file));
      held_[number] = {std::move(file), error, number != numbers.back()};
    }
    if (!vanished) return 0;
  }
  return EBUSY;
}

void Snapshot::take(std::uint64_t number, std::unique_ptr<File> file) {
  held_[number] = {held(std::move(file)), 0, true};
}

Errno Snapshot::list(std::vector<std::string>& names) const {
  names.clear();
  for (const auto& [number, held] : held_) names.push_back(segment_name(number));
  return 0;
}

Errno Snapshot::open(const std::string& name, std::unique_ptr<File>& file) {
  const auto number = segment_number(name);
  const auto found = number ? held_.find(*number) : held_.end();
  if (found == held_.end()) return ENOENT;
  if (found->second.error != 0) return found->second.error;
  file = std::move(found->second.file);
  return 0;
}

Errno Snapshot::create(const std::string&, std::unique_ptr<File>&) { return EROFS; }
Errno Snapshot::rename(const std::string&, const std::string&) { return EROFS; }
Errno Snapshot::remove(const std::string&) { return EROFS; }
Errno Snapshot::sync() { return EROFS; }

}  // namespace shoal::store
