#pragma once

#include <cstdint>
#include <utility>

namespace shoal::base {

/// Something that several owners of one thread keep alive. The count is not atomic: a shared object
/// never leaves its shard.
class Shared {
 public:
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  void retain() { ++uses_; }
  void release() {
    if (--uses_ == 0) destroy();
  }

 protected:
  Shared() = default;
  ~Shared() = default;

  std::uint32_t uses() const { return uses_; }

 private:
  virtual void destroy() = 0;

  std::uint32_t uses_ = 1;
};

/// Owns one use of a `Shared` thing. A value.
template <class T>
class Ref {
 public:
  Ref() = default;
  Ref(const Ref& other) : object_(other.object_) {
    if (object_) object_->retain();
  }
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_) object_->release();
  }

  /// Takes over the use the caller has (a new object has one).
  static Ref adopt(T* object) {
    Ref ref;
    ref.object_ = object;
    return ref;
  }

  explicit operator bool() const { return object_ != nullptr; }
  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }

 private:
  T* object_ = nullptr;
};

}  // namespace shoal::base
