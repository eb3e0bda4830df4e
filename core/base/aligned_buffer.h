// Float storage for weights, activations and states: 64-byte aligned, zero-initialised.
#pragma once

#include <cstddef>
#include <utility>

#include "absl/types/span.h"

namespace scanserve::base {

// Owns `size` floats. From 2 MiB on the memory is a mapping of its own in huge pages where the
// kernel grants them, and a page takes no memory before it is first written. Movable, not copyable.
// Ends the process when the memory is not there: callers bound `size` before they ask.
class AlignedBuffer {
 public:
  static constexpr size_t kAlignment = 64;

  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t size);
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;
  ~AlignedBuffer();

  // Null when empty.
  float* data() { return data_; }
  const float* data() const { return data_; }
  size_t size() const { return size_; }
  // Memory that it takes: the floats, rounded up to whole cache lines or huge pages.
  size_t held_bytes() const;
  float& operator[](size_t i) { return data_[i]; }
  float operator[](size_t i) const { return data_[i]; }
  absl::Span<float> span() { return {data_, size_}; }
  absl::Span<const float> span() const { return {data_, size_}; }

 private:
  float* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace scanserve::base
