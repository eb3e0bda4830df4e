#include "core/base/aligned_buffer.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "core/base/check.h"

namespace scanserve::base {
namespace {

constexpr size_t kHugePageBytes = size_t{2} << 20;

size_t RoundUp(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

// Anonymous zero pages that start at a huge page.
void* MapZeroPages(size_t bytes) {
  const size_t mapped_bytes = bytes + kHugePageBytes;
  void* mapped = mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                      /*fd=*/-1, /*offset=*/0);
  SCANSERVE_CHECK(mapped != MAP_FAILED);
  char* const first = static_cast<char*>(mapped);
  char* const aligned =
      first + (kHugePageBytes - reinterpret_cast<uintptr_t>(first) % kHugePageBytes);
  munmap(first, static_cast<size_t>(aligned - first));
  char* const end = aligned + bytes;
  if (end != first + mapped_bytes) munmap(end, static_cast<size_t>(first + mapped_bytes - end));
  // Without huge pages it is slower, not wrong.
  (void)madvise(aligned, bytes, MADV_HUGEPAGE);
  return aligned;
}

}  // namespace

AlignedBuffer::AlignedBuffer(size_t size) : size_(size) {
  if (size == 0) return;
  SCANSERVE_CHECK(size <= (SIZE_MAX >> 1) / sizeof(float));
  const size_t bytes = size * sizeof(float);
  if (bytes >= kHugePageBytes) {
    data_ = static_cast<float*>(MapZeroPages(held_bytes()));
    return;
  }
  data_ = static_cast<float*>(std::aligned_alloc(kAlignment, held_bytes()));
  SCANSERVE_CHECK(data_ != nullptr);
  std::memset(data_, 0, held_bytes());
}

AlignedBuffer::~AlignedBuffer() {
  if (size_ * sizeof(float) >= kHugePageBytes) {
    munmap(data_, held_bytes());
  } else {
    std::free(data_);
  }
}

size_t AlignedBuffer::held_bytes() const {
  const size_t bytes = size_ * sizeof(float);
  return RoundUp(bytes, bytes >= kHugePageBytes ? kHugePageBytes : kAlignment);
}

}  // namespace scanserve::base
