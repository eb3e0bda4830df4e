// Read sets, slow and obvious, written from their definition.
#pragma once

#include <algorithm>
#include <set>
#include <vector>

namespace scanserve::order {

// One layer's extension of a read set.
inline std::set<int> ExtendReadSet(const std::set<int>& read, const std::vector<int32_t>& order,
                                   bool target) {
  std::set<int> extended;
  if (!target) {
    for (int i = 0; i <= *read.rbegin(); ++i) extended.insert(i);
    return extended;
  }
  size_t latest = 0;
  for (size_t k = 0; k < order.size(); ++k) {
    if (read.contains(order[k])) latest = k;
  }
  extended.insert(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(latest) + 1);
  return extended;
}

// What position i has read; no targets means that all layers are.
inline std::set<int> ReadSet(int i, const std::vector<int32_t>& order,
                             const std::vector<int>& targets, int num_layers) {
  std::set<int> read{i};
  for (int layer = num_layers - 1; layer >= 0; --layer) {
    const bool target = targets.empty() || std::ranges::count(targets, layer) > 0;
    read = ExtendReadSet(read, order, target);
  }
  return read;
}

}  // namespace scanserve::order
