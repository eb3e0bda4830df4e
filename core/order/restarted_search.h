// Or-3opt with restarts: shortens a tour, changes a place of it at random, shortens it there again,
// and keeps what became no longer (iterated local search).
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/thread_pool.h"
#include "core/order/search_watch.h"
#include "core/order/tour_problem.h"

namespace scanserve::order {

// From `path` on, until `watch` ends it. Each thread of `threads` searches by itself with random
// numbers of its own; every some thousand restarts all go on from the shortest tour. The result is
// never longer than `path` and depends on seed and number of threads alone, unless time ends it.
std::vector<int32_t> RestartedSearch(const TourProblem& problem, std::vector<int32_t> path,
                                     int64_t seed, base::ThreadPool& threads, SearchWatch& watch);

}  // namespace scanserve::order
