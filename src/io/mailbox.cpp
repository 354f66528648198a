#include "io/mailbox.hpp"

namespace shoal::io {
namespace {

// Unused letters that are kept, and the memory that they may keep together.
constexpr std::size_t kBlanksMax = 16;
constexpr std::size_t kBlankBytesMax = 4 * 1024 * 1024;

}  // namespace

Mailbox::~Mailbox() {
  for (Letter* list : {letters_.load(), returned_.load()}) {
    while (list) delete std::exchange(list, list->next_);
  }
  for (Letter* letter : blanks_) delete letter;
}

Letter* Mailbox::reversed(Letter* letters) {
  Letter* oldest = nullptr;
  while (letters) {
    Letter* const older = letters->next_;
    letters->next_ = oldest;
    oldest = std::exchange(letters, older);
  }
  return oldest;
}

// True when it is the only one. As soon as it is there it is somebody else's.
bool Mailbox::push(std::atomic<Letter*>& list, Letter& letter) {
  Letter* newest = list.load(std::memory_order_relaxed);
  do letter.next_ = newest;
  while (!list.compare_exchange_weak(newest, &letter));
  return newest == nullptr;
}

Letter& Mailbox::blank() {
  if (blanks_.empty()) collect();
  if (blanks_.empty()) return *new Letter(*this, number_);
  Letter& letter = *blanks_.back();
  blanks_.pop_back();
  blank_bytes_ -= letter.bytes.capacity();
  return letter;
}

void Mailbox::put(Letter& letter) {
  letter.sender.unread_bytes_ += letter.bytes.size();
  if (push(letters_, letter) && wake_) wake_();
}

void Mailbox::collect() {
  for (Letter* letter = returned_.exchange(nullptr); letter;) {
    Letter& read = *std::exchange(letter, letter->next_);
    unread_bytes_ -= read.bytes.size();
    if (blanks_.size() >= kBlanksMax || blank_bytes_ + read.bytes.capacity() > kBlankBytesMax) {
      delete &read;
      continue;
    }
    read.bytes.clear();
    blank_bytes_ += read.bytes.capacity();
    blanks_.push_back(&read);
  }
}

void Mailbox::shrink() {
  collect();
  for (Letter* letter : blanks_) delete letter;
  blanks_ = std::vector<Letter*>();
  blank_bytes_ = 0;
}

std::uint64_t Mailbox::unread_bytes() {
  collect();
  return unread_bytes_;
}

}  // namespace shoal::io
