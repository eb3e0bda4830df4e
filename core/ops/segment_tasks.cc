#include "core/ops/segment_tasks.h"

#include <algorithm>

namespace scanserve::ops {
namespace {

// Rows of one group that are worth a range of their own: some microseconds.
constexpr int64_t kSmallestRange = 32;

}  // namespace

void ForEachSegmentGroup(absl::Span<const int64_t> rows, int64_t groups, base::ThreadPool& pool,
                         absl::FunctionRef<void(int64_t, int64_t)> body) {
  int64_t total = 0;
  for (const int64_t segment_rows : rows) total += segment_rows * groups;
  // The pairs stand in one line, each as long as its rows. A pair belongs to the range in which it
  // begins.
  pool.ParallelFor(total, kSmallestRange, [&](int64_t begin, int64_t end) {
    int64_t position = 0;
    for (size_t s = 0; s < rows.size() && position < end; ++s) {
      if (rows[s] == 0) continue;
      const int64_t first = std::max<int64_t>(0, (begin - position + rows[s] - 1) / rows[s]);
      const int64_t last = std::min(groups, (end - position + rows[s] - 1) / rows[s]);
      for (int64_t group = first; group < last; ++group) body(static_cast<int64_t>(s), group);
      position += rows[s] * groups;
    }
  });
}

}  // namespace scanserve::ops
