#include "client/scanctl/position_profile.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace scanserve::client {
namespace {

constexpr double kAlpha = 0.05;

}  // namespace

void PositionProfile::Add(const v1::TokenDifferences& tokens) {
  const int count = std::min(
      {tokens.positions_size(), tokens.nlls_a_size(), tokens.nlls_b_size(), tokens.classes_size()});
  std::map<int, compare::PairedTokens> sums;
  for (int i = 0; i < count; ++i) {
    const int64_t distance = tokens.positions(i) - first_position_;
    if (tokens.classes(i) != v1::TARGET_CLASS_CAUSAL || distance < 0) continue;
    const int digits = static_cast<int>(std::bit_width(static_cast<uint64_t>(distance)));
    sums[digits].Add(static_cast<double>(tokens.nlls_a(i)), static_cast<double>(tokens.nlls_b(i)));
  }
  for (const auto& [digits, sum] : sums) {
    Range& range = ranges_[digits];
    if (std::exchange(range.document, tokens.index()) != tokens.index()) {
      range.clusters.emplace_back();
    }
    range.clusters.back().Merge(sum.cluster());
  }
}

std::vector<PositionRange> PositionProfile::Ranges() const {
  std::vector<PositionRange> ranges;
  for (const auto& [digits, range] : ranges_) {
    if (range.clusters.size() < 2) continue;
    const int64_t begin = digits == 0 ? 0 : int64_t{1} << (digits - 1);
    const compare::RatioEstimate estimate = compare::EstimateRatio(range.clusters);
    const double radius = compare::FixedRadius(estimate.clusters, kAlpha);
    ranges.push_back(
        {begin, int64_t{1} << digits, estimate, compare::HullInterval(estimate, radius)});
  }
  return ranges;
}

}  // namespace scanserve::client
