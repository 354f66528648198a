#include "simulated_disk/simulated_disk.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace shoal::store {

using Random = SimulatedDisk::Random;

namespace {

std::uint64_t below(Random& random, std::uint64_t bound) { return bound == 0 ? 0 : random() % bound; }

}  // namespace

class SimulatedFile final : public File {
 public:
  SimulatedFile(SimulatedDisk& disk, std::shared_ptr<SimulatedDisk::Inode> inode)
      : disk_(disk), inode_(std::move(inode)), epoch_(disk.epoch_) {}

  std::uint64_t size() const override { return inode_->now.size(); }

  Errno append(base::Bytes bytes) override {
    std::size_t written = bytes.empty() ? 0 : bytes.size() - 1;
    if (const Errno error = disk_.begin(DiskOperation::append, epoch_, &written)) {
      write(bytes.first(written));
      return error;
    }
    const std::uint64_t free = std::max(disk_.capacity_, disk_.used()) - disk_.used();
    const std::uint64_t most = inode_->room - inode_->now.size() + free;
    write(bytes.first(std::min<std::uint64_t>(bytes.size(), most)));
    return bytes.size() <= most ? 0 : ENOSPC;
  }

  Errno reserve(std::uint64_t bytes) override {
    if (const Errno error = disk_.begin(DiskOperation::reserve, epoch_)) return error;
    const std::uint64_t wanted = std::max<std::uint64_t>(inode_->room, inode_->now.size() + bytes);
    if (wanted - inode_->room > std::max(disk_.capacity_, disk_.used()) - disk_.used()) return ENOSPC;
    inode_->room = wanted;
    return 0;
  }

  std::uint64_t room() const override { return std::max(disk_.capacity_, disk_.used()) - disk_.used(); }

  Errno truncate(std::uint64_t size) override {
    if (const Errno error = disk_.begin(DiskOperation::truncate, epoch_)) return error;
    inode_->now.resize(size);
    inode_->room = size;
    inode_->certain = std::min(inode_->certain, size);
    std::erase_if(inode_->given_up, [&](const auto& range) { return range.from >= size; });
    for (auto& range : inode_->given_up) range.to = std::min(range.to, size);
    return 0;
  }

  Errno sync() override {
    if (const Errno error = disk_.begin(DiskOperation::sync, epoch_)) {
      if (!disk_.dead_ && epoch_ == disk_.epoch_ && inode_->certain < inode_->now.size()) {
        inode_->given_up.push_back({inode_->certain, inode_->now.size()});
      }
      return error;
    }
    inode_->synced = inode_->now;
    inode_->certain = inode_->now.size();
    for (const auto& range : inode_->given_up) {
      std::fill(inode_->synced.begin() + static_cast<std::ptrdiff_t>(range.from),
                inode_->synced.begin() + static_cast<std::ptrdiff_t>(range.to), std::uint8_t{0});
    }
    return 0;
  }

  Errno read(std::uint64_t offset, std::span<std::uint8_t> to, std::size_t& got) const override {
    got = 0;
    if (const Errno error = disk_.begin(DiskOperation::read, epoch_)) return error;
    const auto& bytes = inode_->now;
    if (offset >= bytes.size()) return 0;
    const std::size_t size = std::min<std::uint64_t>(to.size(), bytes.size() - offset);
    const auto& bad = inode_->unreadable;
    if (bad && offset < bad->to && bad->from < offset + size) return EIO;
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), size, to.begin());
    got = size;
    return 0;
  }

 private:
  void write(base::Bytes bytes) {
    inode_->now.insert(inode_->now.end(), bytes.begin(), bytes.end());
    inode_->room = std::max<std::uint64_t>(inode_->room, inode_->now.size());
  }

  SimulatedDisk& disk_;
  std::shared_ptr<SimulatedDisk::Inode> inode_;
  std::uint64_t epoch_;
};

class SimulatedFolder final : public Directory {
 public:
  explicit SimulatedFolder(SimulatedDisk& disk) : disk_(disk), epoch_(disk.epoch_) {}

  Errno list(std::vector<std::string>& names) const override {
    if (const Errno error = disk_.begin(DiskOperation::list, epoch_)) return error;
    names = disk_.names();
    return 0;
  }
  Errno create(const std::string& name, std::unique_ptr<File>& file) override {
    if (const Errno error = disk_.begin(DiskOperation::create, epoch_)) return error;
    if (disk_.has(name)) return EEXIST;
    const auto inode = std::make_shared<SimulatedDisk::Inode>();
    disk_.apply({{name, inode}});
    file = std::make_unique<SimulatedFile>(disk_, inode);
    return 0;
  }
  Errno open(const std::string& name, std::unique_ptr<File>& file) override {
    if (const Errno error = disk_.begin(DiskOperation::open, epoch_)) return error;
    if (!disk_.has(name)) return ENOENT;
    file = std::make_unique<SimulatedFile>(disk_, disk_.names_.at(name));
    return 0;
  }
  Errno rename(const std::string& from, const std::string& to) override {
    if (const Errno error = disk_.begin(DiskOperation::rename, epoch_)) return error;
    if (!disk_.has(from)) return ENOENT;
    disk_.apply({{to, disk_.names_.at(from)}, {from, nullptr}});
    return 0;
  }
  Errno remove(const std::string& name) override {
    if (const Errno error = disk_.begin(DiskOperation::remove, epoch_)) return error;
    if (!disk_.has(name)) return ENOENT;
    disk_.apply({{name, nullptr}});
    return 0;
  }
  Errno sync() override {
    if (const Errno error = disk_.begin(DiskOperation::sync_folder, epoch_)) return error;
    disk_.synced_names_ = disk_.names_;
    disk_.changes_.clear();
    return 0;
  }
  const std::string& path() const override { return path_; }

 private:
  SimulatedDisk& disk_;
  std::uint64_t epoch_;
  std::string path_ = "simulated";
};

SimulatedDisk::SimulatedDisk() = default;
SimulatedDisk::~SimulatedDisk() = default;

std::unique_ptr<Directory> SimulatedDisk::open() { return std::make_unique<SimulatedFolder>(*this); }

Errno SimulatedDisk::begin(DiskOperation kind, std::uint64_t epoch, std::size_t* written) {
  const std::size_t most = written ? std::exchange(*written, 0) : 0;
  if (dead_ || epoch != epoch_) return EIO;
  ++operations_;
  ++by_kind_[static_cast<std::size_t>(kind)];
  if (operations_ != fault_.number) return refused_[static_cast<std::size_t>(kind)];
  failed_ = true;
  dead_ = fault_.ends;
  if (written) *written = std::min(most, fault_.written);
  return fault_.error;
}

void SimulatedDisk::apply(const Change& change, Names& names) {
  for (const auto& [name, inode] : change) {
    if (inode) names.insert_or_assign(name, inode);
    else names.erase(name);
  }
}

void SimulatedDisk::apply(Change change) {
  apply(change, names_);
  changes_.push_back(std::move(change));
}

std::uint64_t SimulatedDisk::used() const {
  std::uint64_t used = 0;
  for (const auto& [name, inode] : names_) used += inode->room;
  return used;
}

void SimulatedDisk::restart() {
  ++epoch_;
  dead_ = false;
  fault_ = {};
  failed_ = false;
  refused_ = {};
}

void SimulatedDisk::end_process() { restart(); }

void SimulatedDisk::lose_power(Inode& inode, Random& random) {
  constexpr std::uint64_t kSector = 512;
  const Content before = std::exchange(inode.now, inode.synced);
  const std::uint64_t longest = std::max(before.size(), inode.synced.size());
  std::uint64_t size = inode.certain;
  switch (below(random, 4)) {
    case 0: size = inode.synced.size(); break;
    case 1: size = before.size(); break;
    default: size += below(random, longest - inode.certain + 1);
  }
  const bool all_written = below(random, 4) == 0;
  Content now(size);
  for (std::uint64_t at = 0; at < size;) {
    const std::uint64_t end =
        at < inode.certain ? std::min(inode.certain, size) : std::min(size, (at / kSector + 1) * kSector);
    const std::uint64_t what = at < inode.certain ? 1 : all_written ? 0 : below(random, 4);
    for (; at < end; ++at) {
      if (what == 0 && at < before.size()) now[at] = before[at];
      else if (what == 1 && at < inode.synced.size()) now[at] = inode.synced[at];
      else if (what == 3) now[at] = static_cast<std::uint8_t>(random());
    }
  }
  // Nobody wrote that again, whatever was synced since.
  for (const Range& range : inode.given_up) {
    for (std::uint64_t at = range.from; at < std::min(range.to, size); ++at) now[at] = 0;
  }
  inode = {.now = now, .synced = now, .certain = size, .room = size, .given_up = {}, .unreadable = inode.unreadable};
}

void SimulatedDisk::cut_power(Random& random) {
  restart();
  for (const Change& change : changes_) {
    if (below(random, 2) == 0) apply(change, synced_names_);
  }
  changes_.clear();
  names_ = synced_names_;
  for (const auto& [name, inode] : names_) lose_power(*inode, random);
}

std::vector<std::string> SimulatedDisk::names() const {
  std::vector<std::string> names;
  for (const auto& [name, inode] : names_) names.push_back(name);
  return names;
}

const SimulatedDisk::Content& SimulatedDisk::content(const std::string& name) const { return names_.at(name)->now; }

void SimulatedDisk::put(const std::string& name, Content content) {
  const auto inode = std::make_shared<Inode>();
  inode->now = inode->synced = std::move(content);
  inode->certain = inode->room = inode->now.size();
  names_.insert_or_assign(name, inode);
  synced_names_.insert_or_assign(name, inode);
}

void SimulatedDisk::change(const std::string& name, const std::function<void(Content& content)>& change) {
  Content content = names_.at(name)->now;
  change(content);
  put(name, std::move(content));
}

void SimulatedDisk::unreadable(const std::string& name, std::uint64_t from, std::uint64_t to) {
  names_.at(name)->unreadable = Range{from, to};
}

void ManualBackground::run(std::function<void()> work, std::function<void()> done) {
  jobs_.push_back({std::move(work), std::move(done)});
  if (at_once_ && jobs_.size() == 1) finish();
}

bool ManualBackground::run_one() {
  if (jobs_.empty()) return false;
  // It stays in the row meanwhile, so that what it hands over is not done in the middle of it.
  const Job job = std::move(jobs_.front());
  job.work();
  job.done();
  if (!jobs_.empty()) jobs_.pop_front();
  return true;
}

void ManualBackground::finish() {
  while (run_one()) {
  }
}

}  // namespace shoal::store
