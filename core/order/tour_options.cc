#include "core/order/tour_options.h"

#include <array>
#include <utility>

namespace scanserve::order {
namespace {

constexpr std::array<std::pair<TourMethod, absl::string_view>, 5> kMethods = {{
    {TourMethod::kNearestNeighbour, "nearest-neighbour"},
    {TourMethod::kTwoOpt, "2-opt"},
    {TourMethod::kOrOpt, "or-opt"},
    {TourMethod::kOr3Opt, "or-3opt"},
    {TourMethod::kGenetic, "genetic"},
}};

constexpr std::array<std::pair<RowMetric, absl::string_view>, 4> kMetrics = {{
    {RowMetric::kAbsoluteCorrelation, "absolute-correlation"},
    {RowMetric::kCorrelation, "correlation"},
    {RowMetric::kCosine, "cosine"},
    {RowMetric::kEuclid, "euclid"},
}};

template <typename Names, typename Value>
absl::string_view NameIn(const Names& names, Value value) {
  for (const auto& [known, name] : names) {
    if (known == value) return name;
  }
  return "";
}

template <typename Value, size_t size>
std::optional<Value> ValueIn(const std::array<std::pair<Value, absl::string_view>, size>& names,
                             absl::string_view text) {
  for (const auto& [value, name] : names) {
    if (name == text) return value;
  }
  return std::nullopt;
}

}  // namespace

absl::string_view TourMethodName(TourMethod method) { return NameIn(kMethods, method); }
std::optional<TourMethod> ParseTourMethod(absl::string_view name) {
  return ValueIn(kMethods, name);
}

absl::string_view RowMetricName(RowMetric metric) { return NameIn(kMetrics, metric); }
std::optional<RowMetric> ParseRowMetric(absl::string_view name) { return ValueIn(kMetrics, name); }

}  // namespace scanserve::order
