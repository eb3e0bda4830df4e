// A genetic algorithm: a population of tours, of which two at a time are crossed and the child
// shortened.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/thread_pool.h"
#include "core/order/search_watch.h"
#include "core/order/tour_problem.h"

namespace scanserve::order {

// From `path` on, until `watch` ends it. A child takes a stretch of one tour at its place and the
// other cities in the order of another tour (order crossover), and is shortened by Or-opt. It
// replaces the longest tour when it is shorter and of a length that no other has. The result is
// never longer than `path` and depends on the seed alone, unless time ends the search.
std::vector<int32_t> GeneticSearch(const TourProblem& problem, std::vector<int32_t> path,
                                   int64_t seed, base::ThreadPool& threads, SearchWatch& watch);

}  // namespace scanserve::order
