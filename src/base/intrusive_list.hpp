#pragma once

namespace shoal::base {

/// A place in a list of those who derive from it (`T`): two pointers, in the object itself. It leaves its list when it
/// goes. A resource.
template <class T>
class ListLink {
 public:
  ListLink(const ListLink&) = delete;
  ListLink& operator=(const ListLink&) = delete;

 protected:
  ListLink() = default;
  ~ListLink() { leave(); }

 private:
  template <class>
  friend class IntrusiveList;

  void leave() {
    before_->behind_ = behind_;
    behind_->before_ = before_;
    before_ = behind_ = this;
  }

  ListLink* before_ = this;
  ListLink* behind_ = this;
};

/// Objects in a row, without memory of its own for each. It owns none of them. A resource.
template <class T>
class IntrusiveList {
 public:
  IntrusiveList() = default;
  ~IntrusiveList() {
    while (!empty()) ends_.behind_->leave();
  }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;

  bool empty() const { return ends_.behind_ == &ends_; }
  /// Not empty.
  T& front() { return static_cast<T&>(*ends_.behind_); }
  /// Out of the list it was in, to the end of this one.
  void push_back(T& object) {
    ListLink<T>& link = object;
    link.leave();
    link.before_ = ends_.before_;
    link.behind_ = &ends_;
    ends_.before_->behind_ = &link;
    ends_.before_ = &link;
  }
  /// Calls `visit(T&)` for each; it may leave the list then.
  template <class Visit>
  void each(Visit visit) {
    for (ListLink<T>*link = ends_.behind_, *next; link != &ends_; link = next) {
      next = link->behind_;
      visit(static_cast<T&>(*link));
    }
  }

 private:
  struct Ends final : ListLink<T> {};
  Ends ends_;
};

}  // namespace shoal::base
