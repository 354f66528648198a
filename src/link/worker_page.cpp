#include "link/worker_page.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

namespace shoal::link {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<std::int64_t>::is_always_lock_free);

Error system_error(const char* what) { return {ErrorCode::io, std::string(what) + ": " + std::strerror(errno)}; }

}  // namespace

Result<PageMapping> PageMapping::create() {
  base::UniqueFd fd(::memfd_create("shoal-worker", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd || ::ftruncate(fd.get(), sizeof(WorkerPage)) != 0 || ::fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0)
    return system_error("no memory to share with the controller");
  void* const memory = ::mmap(nullptr, sizeof(WorkerPage), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return system_error("no memory to share with the controller");
  // All of it is 0 already: only what somebody writes takes memory.
  return PageMapping(std::move(fd), static_cast<WorkerPage*>(memory));
}

Result<PageMapping> PageMapping::open(base::UniqueFd fd) {
  struct stat found {};
  if (::fstat(fd.get(), &found) != 0 || found.st_size != sizeof(WorkerPage) ||
      (::fcntl(fd.get(), F_GET_SEALS) & F_SEAL_SHRINK) == 0) {
    return Error{ErrorCode::invalid_argument, "not the memory of a worker of this version"};
  }
  void* const memory = ::mmap(nullptr, sizeof(WorkerPage), PROT_READ, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return system_error("the worker's memory cannot be read");
  return PageMapping({}, static_cast<WorkerPage*>(memory));
}

PageMapping::~PageMapping() {
  if (page_) ::munmap(page_, sizeof(WorkerPage));
}

PageMapping::PageMapping(PageMapping&& other) noexcept
    : fd_(std::move(other.fd_)), page_(std::exchange(other.page_, nullptr)) {}

PageMapping& PageMapping::operator=(PageMapping&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(page_, other.page_);
  return *this;
}

}  // namespace shoal::link
