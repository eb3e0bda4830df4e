// How conv1d and the scan share (segment, channel group) pairs among threads.
#pragma once

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "core/base/thread_pool.h"

namespace scanserve::ops {

// Calls body(segment, group) once for each segment with rows and each group in [0, groups), split
// so that threads get about the same number of rows. `rows` holds the segments' rows.
void ForEachSegmentGroup(absl::Span<const int64_t> rows, int64_t groups, base::ThreadPool& pool,
                         absl::FunctionRef<void(int64_t segment, int64_t group)> body);

}  // namespace scanserve::ops
