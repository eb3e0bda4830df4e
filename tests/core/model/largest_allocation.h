// The largest block that this program's operator new was asked for: shows that a lying file gets no
// memory on its word.
#pragma once

#include <cstddef>

namespace scanserve::model {

// Since the last ResetLargestAllocation(), over all threads.
size_t LargestAllocation();
void ResetLargestAllocation();

}  // namespace scanserve::model
