// Denormal numbers read as zero and written as zero (FTZ and DAZ of x86's MXCSR) on this thread.
//
// Kernels give the same bits on every thread only if all threads agree about denormals, and
// arithmetic on denormals is slow. base::ThreadPool sets it for its work; code that runs a kernel
// without a pool sets it itself.
#pragma once

#include <xmmintrin.h>

namespace scanserve::base {

class ScopedFlushDenormals {
 public:
  ScopedFlushDenormals() : saved_(_mm_getcsr()) {
    _mm_setcsr(saved_ | kFlushToZeroAndDenormalsAreZero);
  }
  ~ScopedFlushDenormals() { _mm_setcsr(saved_); }
  ScopedFlushDenormals(const ScopedFlushDenormals&) = delete;
  ScopedFlushDenormals& operator=(const ScopedFlushDenormals&) = delete;

 private:
  static constexpr unsigned kFlushToZeroAndDenormalsAreZero = 0x8040;
  const unsigned saved_;
};

}  // namespace scanserve::base
