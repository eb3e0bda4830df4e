#include "core/order/target_class.h"

#include <algorithm>

#include "core/base/check.h"
#include "core/order/scan_order.h"

namespace scanserve::order {
namespace {

std::vector<int32_t> PrefixMaxima(absl::Span<const int32_t> values) {
  std::vector<int32_t> maxima(values.begin(), values.end());
  for (size_t i = 1; i < maxima.size(); ++i) maxima[i] = std::max(maxima[i], maxima[i - 1]);
  return maxima;
}

// Whether each run of equal layers, from the last layer to the first, is of target layers. A layer
// below another of its kind extends no read set, so a run counts once.
std::vector<bool> LayerRuns(absl::Span<const int> target_layers, int num_layers) {
  std::vector<bool> is_target(static_cast<size_t>(num_layers), target_layers.empty());
  for (const int layer : target_layers) {
    SCANSERVE_CHECK(layer >= 0 && layer < num_layers);
    is_target[static_cast<size_t>(layer)] = true;
  }
  std::vector<bool> runs(is_target.rbegin(), is_target.rend());
  runs.erase(std::unique(runs.begin(), runs.end()), runs.end());
  return runs;
}

// Below the first run, a read set is always a prefix: of the natural order after a natural run,
// of the scan order after a target run. So it is known by its kind and its last member.
class ReadSets {
 public:
  ReadSets(absl::Span<const int32_t> order, std::vector<bool> runs)
      : rank_(Inverse(order)),
        latest_rank_(PrefixMaxima(rank_)),
        largest_position_(PrefixMaxima(order)),
        runs_(std::move(runs)) {}

  TargetClass Classify(int32_t position) const {
    if (runs_.empty()) return TargetClass::kCausal;
    bool scan_prefix = runs_[0];
    int32_t last = scan_prefix ? rank_[Index(position)] : position;
    for (size_t run = 1; run < runs_.size(); ++run) {
      last = (scan_prefix ? largest_position_ : latest_rank_)[Index(last)];
      scan_prefix = runs_[run];
    }
    const int32_t largest = scan_prefix ? largest_position_[Index(last)] : last;
    if (largest == position) return TargetClass::kCausal;
    const int32_t target = scan_prefix ? rank_[Index(position + 1)] : position + 1;
    return target <= last ? TargetClass::kLeaked : TargetClass::kLookahead;
  }

 private:
  static size_t Index(int32_t position) { return static_cast<size_t>(position); }

  const std::vector<int32_t> rank_;              // scan position of each natural position
  const std::vector<int32_t> latest_rank_;       // of positions 0..i
  const std::vector<int32_t> largest_position_;  // of scan positions 0..k
  const std::vector<bool> runs_;
};

}  // namespace

std::vector<TargetClass> ClassifyTargets(absl::Span<const int32_t> effective_order,
                                         absl::Span<const int> target_layers, int num_layers) {
  const ReadSets read_sets(effective_order, LayerRuns(target_layers, num_layers));
  std::vector<TargetClass> classes;
  classes.reserve(effective_order.size());
  for (size_t i = 0; i + 1 < effective_order.size(); ++i) {
    classes.push_back(read_sets.Classify(static_cast<int32_t>(i)));
  }
  return classes;
}

}  // namespace scanserve::order
