// Whether units come to the arms as the weights say. If they do not, something loses units of one
// arm, and no comparison of the arms means anything.
//
// Legend: x_i units in arm i, n their sum; p_i its weight out of the sum of weights. Under the
// design, the Dirichlet-multinomial over the multinomial likelihood of x is a test martingale, for
// each concentration kappa, and so is their mean: its inverse is a p-value at any number of looks
// (Lindon & Malek, "Anytime-valid inference for multinomial count data", 2022).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace scanserve::experiment {

// Log of the probability of a sequence with these counts; of counts without their order it differs
// by a coefficient that the ratio of the two does not have.
double LogDirichletMultinomial(absl::Span<const int64_t> counts, absl::Span<const double> alpha);
// Arms of probability 0 must have no counts.
double LogMultinomial(absl::Span<const int64_t> counts, absl::Span<const double> probabilities);

// Pearson's goodness of fit, for one look.
struct ChiSquared {
  double statistic = 0;
  int32_t degrees_of_freedom = 0;
  double p = 1;
};

enum class RatioState {
  kOk,
  kWarning,  // p < 0.01
  kInvalid,  // p < 0.001, or a unit in an arm of weight 0
};

// Not thread-safe.
class SampleRatio {
 public:
  static constexpr std::array kConcentrations = {10., 100., 1'000., 10'000.};

  // All that it knows: one made of it goes on as this one would, to the bit.
  struct State {
    // One for each weight.
    std::vector<int64_t> counts;
    // Of the martingale of each concentration.
    std::array<double, kConcentrations.size()> log_evidence{};
    double min_p = 1;
  };

  // The sum of `weights` is above 0.
  explicit SampleRatio(absl::Span<const int64_t> weights);
  SampleRatio(absl::Span<const int64_t> weights, State saved);
  const State& saved() const { return state_; }

  // The first exposure of a unit.
  void Add(size_t arm);

  // The smallest p over all looks so far, one after each unit.
  double min_p() const { return state_.min_p; }
  RatioState state() const;
  ChiSquared chi_squared() const;

  const std::vector<int64_t>& counts() const { return state_.counts; }
  int64_t units() const { return units_; }

 private:
  // The inverse of the mean of the martingales.
  double PNow() const;

  std::vector<double> probabilities_;
  State state_;
  int64_t units_ = 0;
  bool leaked_ = false;
};

}  // namespace scanserve::experiment
