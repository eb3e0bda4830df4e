#include "client/scanctl/bench_samples.h"

#include <algorithm>
#include <cmath>

namespace scanserve::client {
namespace {

double Quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - std::floor(place));
}

}  // namespace

void BenchSamples::Add(double value) {
  max_ = count_ == 0 ? value : std::max(max_, value);
  sum_ += value;
  ++count_;
  if (kept_.size() < capacity_) {
    kept_.push_back(value);
    return;
  }
  const auto place = static_cast<size_t>(random_.Between(0, count_ - 1));
  if (place < capacity_) kept_[place] = value;
}

BenchSummary BenchSamples::Summarize() const {
  if (count_ == 0) return {};
  std::vector<double> sorted = kept_;
  std::sort(sorted.begin(), sorted.end());
  return {.count = count_,
          .mean = sum_ / static_cast<double>(count_),
          .p50 = Quantile(sorted, 0.5),
          .p90 = Quantile(sorted, 0.9),
          .p99 = Quantile(sorted, 0.99),
          .max = max_};
}

}  // namespace scanserve::client
