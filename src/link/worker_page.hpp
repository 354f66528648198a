#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/unique_fd.hpp"
#include "shoal/result.hpp"
#include "shoal/runtime.hpp"

namespace shoal::link {

/// Where one thread of a worker was when it was asked, as addresses of its program.
struct ThreadStack {
  static constexpr std::size_t kFramesMax = 60;

  std::atomic<std::uint32_t> frames{0};  ///< set last; 0: nothing is there
  std::int32_t thread = 0;
  char name[16] = {};
  std::uint64_t at[kFramesMax] = {};  ///< the innermost first; of calls, an address within the call
};

/// Memory that a worker shares with its controller: what it is doing. The worker writes, also while it dies; the
/// controller reads, also when the worker is dead or hangs. Nobody waits for anybody. Both are of one package.
struct WorkerPage {
  static constexpr std::size_t kReactorsMax = 32;
  static constexpr std::size_t kStacksMax = 32;

  /// `pulse_id` of the instance that is being made ready beside the reactors; 0: none.
  std::atomic<std::uint64_t> starting{0};
  /// The program is at this distance from the addresses in its file.
  std::uint64_t load_bias = 0;
  /// By which it died, when it could still tell.
  std::atomic<std::int32_t> fatal_signal{0};
  /// Threads that have told where they are, or are about to.
  std::atomic<std::uint32_t> stacks_taken{0};
  std::array<Pulse, kReactorsMax> pulses{};
  std::array<ThreadStack, kStacksMax> stacks{};
};

/// A mapping of a `WorkerPage`. A resource; what is mapped stays where it is when this is moved.
class PageMapping {
 public:
  PageMapping() = default;
  /// A new page, with its descriptor. Error: io.
  static Result<PageMapping> create();
  /// The page of somebody else, to be read. Error: invalid_argument (it is none, or could become shorter), io.
  static Result<PageMapping> open(base::UniqueFd fd);
  ~PageMapping();
  PageMapping(PageMapping&& other) noexcept;
  PageMapping& operator=(PageMapping&& other) noexcept;

  explicit operator bool() const { return page_ != nullptr; }
  /// To write into: only what `create` has made.
  WorkerPage* page() { return page_; }
  const WorkerPage* page() const { return page_; }
  /// To be handed to others; stays this one's.
  int fd() const { return fd_.get(); }

 private:
  PageMapping(base::UniqueFd fd, WorkerPage* page) : fd_(std::move(fd)), page_(page) {}

  base::UniqueFd fd_;
  WorkerPage* page_ = nullptr;
};

}  // namespace shoal::link
