#pragma once

#include <cstddef>
#include <vector>

#include "base/time.hpp"

namespace shoal::bench {

/// When the messages of one publisher are due that it has not sent yet, in order. Pure.
class DueQueue {
 public:
  void add(base::Time due) {
    if (empty()) {
      due_.clear();
      next_ = 0;
    }
    due_.push_back(due);
  }
  bool empty() const { return next_ == due_.size(); }
  std::size_t size() const { return due_.size() - next_; }
  base::Time front() const { return due_[next_]; }
  void pop() { ++next_; }

 private:
  std::vector<base::Time> due_;
  std::size_t next_ = 0;
};

}  // namespace shoal::bench
