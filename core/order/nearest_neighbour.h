// The nearest-neighbour path through any number of rows.
#pragma once

#include <cstdint>
#include <vector>

#include "core/order/neighbour_lists.h"
#include "core/order/row_distance.h"

namespace scanserve::order {

// From row 0 to the nearest row left, ties to the smaller one. Where no listed neighbour is left,
// all rows that are left are looked at.
std::vector<int32_t> NearestNeighbourPath(const RowDistances& distances,
                                          const NeighbourLists& neighbours);

}  // namespace scanserve::order
