#include "core/experiment/sample_ratio.h"

#include <algorithm>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <utility>

namespace scanserve::experiment {
namespace {

constexpr double kWarningP = 0.01;
constexpr double kInvalidP = 0.001;

double LogGamma(double x) { return boost::math::lgamma(x); }

}  // namespace

double LogDirichletMultinomial(absl::Span<const int64_t> counts, absl::Span<const double> alpha) {
  double total_alpha = 0;
  double total = 0;
  double log = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (alpha[i] == 0) continue;
    const auto count = static_cast<double>(counts[i]);
    total_alpha += alpha[i];
    total += count;
    log += LogGamma(alpha[i] + count) - LogGamma(alpha[i]);
  }
  return log + LogGamma(total_alpha) - LogGamma(total_alpha + total);
}

double LogMultinomial(absl::Span<const int64_t> counts, absl::Span<const double> probabilities) {
  double log = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0) log += static_cast<double>(counts[i]) * std::log(probabilities[i]);
  }
  return log;
}

SampleRatio::SampleRatio(absl::Span<const int64_t> weights)
    : SampleRatio(weights, State{.counts = std::vector<int64_t>(weights.size())}) {}

SampleRatio::SampleRatio(absl::Span<const int64_t> weights, State saved)
    : state_(std::move(saved)) {
  double total = 0;
  for (const int64_t weight : weights) total += static_cast<double>(weight);
  for (size_t arm = 0; arm < weights.size(); ++arm) {
    probabilities_.push_back(static_cast<double>(weights[arm]) / total);
    units_ += state_.counts[arm];
    leaked_ = leaked_ || (weights[arm] == 0 && state_.counts[arm] > 0);
  }
}

void SampleRatio::Add(size_t arm) {
  const double p = probabilities_[arm];
  leaked_ = leaked_ || p == 0;
  if (!leaked_) {
    const auto count = static_cast<double>(state_.counts[arm]);
    for (size_t k = 0; k < kConcentrations.size(); ++k) {
      const double kappa = kConcentrations[k];
      // What the unit was given by each of the two distributions.
      state_.log_evidence[k] +=
          std::log((kappa * p + count) / (kappa + static_cast<double>(units_)) / p);
    }
    state_.min_p = std::min(state_.min_p, PNow());
  }
  ++state_.counts[arm];
  ++units_;
}

double SampleRatio::PNow() const {
  const auto& logs = state_.log_evidence;
  const double largest = *std::max_element(logs.begin(), logs.end());
  double sum = 0;
  for (const double log : logs) sum += std::exp(log - largest);
  return std::exp(-largest) * static_cast<double>(logs.size()) / sum;
}

RatioState SampleRatio::state() const {
  if (leaked_ || state_.min_p < kInvalidP) return RatioState::kInvalid;
  return state_.min_p < kWarningP ? RatioState::kWarning : RatioState::kOk;
}

ChiSquared SampleRatio::chi_squared() const {
  ChiSquared result;
  int32_t arms = 0;
  for (size_t arm = 0; arm < state_.counts.size(); ++arm) {
    if (probabilities_[arm] == 0) continue;
    ++arms;
    const double expected = static_cast<double>(units_) * probabilities_[arm];
    const double off = static_cast<double>(state_.counts[arm]) - expected;
    if (units_ > 0) result.statistic += off * off / expected;
  }
  result.degrees_of_freedom = arms - 1;
  if (arms > 1) result.p = boost::math::gamma_q((arms - 1) / 2., result.statistic / 2);
  return result;
}

}  // namespace scanserve::experiment
