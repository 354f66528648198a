#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "base/raw_bytes.hpp"

namespace shoal::io {

class Mailbox;

/// What one thread tells another at a time. It belongs to the mailbox of its sender, which gets it back.
struct Letter {
  Letter(Mailbox& from_box, unsigned number) : sender(from_box), from(number) {}

  Mailbox& sender;
  const unsigned from;  ///< the sender's number
  base::RawBytes bytes{};

 private:
  friend class Mailbox;
  Letter* next_ = nullptr;
};

/// Where one thread finds what others tell it. All letters to a mailbox have one order: what a sender knew of when it
/// sent is before what it sent, whoever that was from. Without locks; who puts something into an empty one wakes its
/// owner. Letters are used again: nothing is allocated in the steady state.
class Mailbox {
 public:
  /// `number`: of the owner, among those who write to each other.
  explicit Mailbox(unsigned number) : number_(number) {}
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  /// Called on a sender's thread when the mailbox was empty. Before anybody sends.
  void set_wake(std::function<void()> wake) { wake_ = std::move(wake); }
  /// An empty letter to write, whose sender this is. The owner's thread.
  Letter& blank();
  /// Puts a letter into this one; it is read and goes back. The sender's thread.
  void put(Letter& letter);
  /// True when nothing is in it. Any thread.
  bool empty() const { return letters_.load() == nullptr; }
  /// Calls `read` with each of the letters that are there now, in their order. The owner's thread; not from `read`.
  template <class Read>
  void read_all(Read read) {
    Letter* next = reversed(letters_.exchange(nullptr));
    while (next) {
      Letter& letter = *std::exchange(next, next->next_);
      read(std::as_const(letter));
      letter.sender.give_back(letter);
    }
  }
  /// Bytes that were sent from here and are not known to be read. The owner's thread.
  std::uint64_t unread_bytes();
  /// Gives back the memory of letters that are not in use. The owner's thread.
  void shrink();

 private:
  static Letter* reversed(Letter* letters);
  static bool push(std::atomic<Letter*>& list, Letter& letter);
  void give_back(Letter& letter) { push(returned_, letter); }
  void collect();

  const unsigned number_;
  std::function<void()> wake_;
  std::atomic<Letter*> letters_{nullptr};   // the newest first
  std::atomic<Letter*> returned_{nullptr};  // what others have read of this one's
  std::vector<Letter*> blanks_;
  std::size_t blank_bytes_ = 0;
  std::uint64_t unread_bytes_ = 0;
};

}  // namespace shoal::io
