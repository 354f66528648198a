#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "base/byte_queue.hpp"
#include "base/time.hpp"
#include "base/unique_fd.hpp"
#include "io/timer_queue.hpp"
#include "shoal/result.hpp"
#include "shoal/runtime.hpp"

namespace shoal::io {

/// Somebody who waits for a descriptor.
class EventHandler {
 public:
  /// `events` are epoll's. May remove itself; must stay alive until the end of the turn.
  virtual void on_events(std::uint32_t events) = 0;

 protected:
  ~EventHandler() = default;
};

/// Somebody who has work for the end of the current turn (flushing, burying).
class TurnEnd {
 public:
  virtual void on_turn_end() = 0;

 protected:
  virtual ~TurnEnd() = default;

 private:
  friend class Reactor;
  bool enlisted_ = false;  // in the reactor's list for this turn
};

/// Somebody whom other threads tell things (see io::Mailbox).
class Inbox {
 public:
  /// Something is there. Any state of a turn.
  virtual bool has_mail() const = 0;
  /// Before the events of a turn, when something is there.
  virtual void on_mail() = 0;

 protected:
  ~Inbox() = default;
};

/// One thread's event loop. A turn: inboxes, events, deadlines, mailbox, then everybody who asked for the
/// turn's end. It sleeps until something happens; there is no periodic wake-up. Functions belong to
/// the loop's thread unless they say otherwise. What is asked for at the turn's end comes in the next
/// turn, which then does not sleep.
class Reactor {
 public:
  using Task = std::function<void()>;

  /// `pulse`: where it shows what it does, or null. Errors: descriptors or memory exhausted.
  static Result<std::unique_ptr<Reactor>> open(Pulse* pulse = nullptr);
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  /// One of those who are served here, as long as it lives.
  class Guest {
   public:
    /// `id`: what the pulse shows while it is served.
    explicit Guest(Reactor& reactor, std::uint64_t id = 0) : reactor_(reactor), id_(id) { ++reactor_.guests_; }
    ~Guest() {
      reactor_.serve(nullptr);
      --reactor_.guests_;
    }
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;

    /// For how long the reactor has worked for it, the work under way not included.
    base::Duration served() const { return served_; }

   private:
    friend class Reactor;
    Reactor& reactor_;
    std::uint64_t id_;
    base::Duration served_{};
  };
  /// What the reactor does from here on is for that guest, or for nobody, until the next call or the turn's end.
  void serve(Guest* guest) {
    if (guest != served_now_) serve_another(guest);
  }
  std::size_t guests() const { return guests_; }

  /// Makes the calling thread the loop's thread ahead of `run`, so that it can set things up there.
  void adopt_thread() { thread_ = std::this_thread::get_id(); }
  /// Turns until `stop`. The calling thread becomes the loop's thread.
  void run();
  /// One turn, on the loop's thread, for whoever has something to do between turns and therefore does not `run`.
  void turn();
  /// Ends `run` after its current turn. Any thread.
  void stop();

  /// Runs `task` on the loop's thread in one of the next turns, in the order of posting. Any thread.
  void post(Task task);
  /// Runs `task` on the loop's thread and waits for it; at once when called there. False, without having
  /// run it, when `run` has returned: nobody would. Any thread.
  bool call(const Task& task);
  bool on_loop_thread() const { return std::this_thread::get_id() == thread_.load(std::memory_order_relaxed); }

  Result<void> add(int fd, std::uint32_t events, EventHandler& handler);
  void modify(int fd, std::uint32_t events, EventHandler& handler);
  void remove(int fd);

  /// Looks after `inbox` in every turn, and does not sleep while something is in it. Whoever puts something into it
  /// calls `nudge` then.
  void add(Inbox& inbox) { inboxes_.push_back(&inbox); }
  void remove(Inbox& inbox) { std::erase(inboxes_, &inbox); }
  /// Ends the loop's sleep for inboxes, when it sleeps. Any thread.
  void nudge() {
    if (sleeping_.load() && sleeping_.exchange(false)) wake();
  }

  /// Time of this turn, or of the call outside of turns.
  const base::Time& now() const { return now_; }
  /// Time of this moment. Any thread.
  static base::Time read_clock();
  TimerQueue& timers() { return timers_; }
  base::ChunkPool& chunks() { return chunks_; }
  /// Somebody freed much: when this turn ends, or a second after the last time, the memory goes back to the system.
  void release_memory();
  /// The buffer everybody reads into: its content lives until the next read of anybody.
  std::span<std::uint8_t> scratch() { return {scratch_.get(), kScratchBytes}; }
  /// Calls `who` once when this turn ends; who asks last is called first.
  void at_turn_end(TurnEnd& who) {
    if (who.enlisted_) return;
    who.enlisted_ = true;
    ends_.push_back(&who);
  }
  /// `who` goes away.
  void forget(TurnEnd& who);
  /// Frees `object` when no event or callback of this turn can be in it any more: at the turn's end, or
  /// at once where nothing of the turn is under way (in the mailbox, outside of turns).
  void dispose(std::shared_ptr<void> object);

 private:
  static constexpr std::size_t kScratchBytes = 256 * 1024;

  /// Asks the allocator for what is free: one wake-up for everybody who freed something.
  class Release final : public Timer {
   public:
    explicit Release(Reactor& reactor) : reactor_(reactor) {}
    base::Time next{};  ///< not before

   private:
    void on_deadline(base::Time now) override;

    Reactor& reactor_;
  };

  Reactor() = default;
  bool may_sleep();
  void run_mailbox(bool last = false);
  void end_turn();
  void wake();
  void serve_another(Guest* guest);

  base::UniqueFd epoll_;
  base::UniqueFd wakeup_;
  std::atomic<std::thread::id> thread_;
  base::Time now_{};
  TimerQueue timers_;
  Release release_{*this};  // gone before the timers
  base::ChunkPool chunks_;
  std::unique_ptr<std::uint8_t[]> scratch_;
  std::size_t guests_ = 0;
  Guest* served_now_ = nullptr;
  base::Time served_since_{};
  Pulse no_pulse_;
  Pulse* pulse_ = &no_pulse_;
  std::vector<TurnEnd*> ends_;
  std::vector<TurnEnd*> ending_;
  std::vector<std::shared_ptr<void>> disposed_;
  bool dispatching_ = false;  // handlers are being called
  std::vector<Inbox*> inboxes_;
  std::atomic<bool> sleeping_ = false;  // it may be, and looks at the inboxes once more before it does

  std::atomic<bool> stopping_ = false;
  std::mutex mailbox_mutex_;
  std::vector<Task> mailbox_;
  std::vector<Task> reading_;
  bool ended_ = false;  // `run` has returned; with the mailbox
};

}  // namespace shoal::io
