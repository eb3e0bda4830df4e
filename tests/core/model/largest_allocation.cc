#include "tests/core/model/largest_allocation.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

namespace scanserve::model {
namespace {

std::atomic<size_t> largest{0};

}  // namespace

size_t LargestAllocation() { return largest; }
void ResetLargestAllocation() { largest = 0; }

}  // namespace scanserve::model

void* operator new(size_t size) {
  size_t seen = scanserve::model::largest;
  while (seen < size && !scanserve::model::largest.compare_exchange_weak(seen, size)) {
  }
  void* memory = std::malloc(std::max<size_t>(size, 1));
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t /*size*/) noexcept { std::free(memory); }
