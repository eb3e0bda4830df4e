#include "core/runtime/step_cost.h"

#include <algorithm>
#include <cmath>

namespace scanserve::runtime {
namespace {

// How far one observation moves the estimate. Steps that only decode are few while something is
// read.
constexpr double kDecodingRate = 0.2;
constexpr double kReadingRate = 0.1;
constexpr double kLargestRatio = 2;
constexpr double kShortest = 1e-7;

// Moves two costs so that `a_count * a + b_count * b` comes closer to `seconds`.
void Learn(double seconds, double a_count, double& a, double b_count, double& b, double rate,
           bool& known) {
  const double predicted = a_count * a + b_count * b;
  const double ratio = std::max(seconds, kShortest) / predicted;
  if (!known) {
    known = true;
    a *= ratio;
    b *= ratio;
    return;
  }
  const double step = rate * std::log(std::clamp(ratio, 1 / kLargestRatio, kLargestRatio));
  const double part = a_count * a / predicted;
  a *= std::exp(step * part);
  b *= std::exp(step * (1 - part));
}

}  // namespace

void StepCost::Observe(const StepRows& rows, double seconds) {
  if (rows.decoding == 0) return;
  if (rows.reading == 0) {
    Learn(seconds, 1, fixed_, static_cast<double>(rows.decoding), decoding_row_, kDecodingRate,
          decoding_known_);
  } else if (decoding_known_) {
    Learn(seconds - Decoding(rows), static_cast<double>(rows.reading), reading_row_,
          static_cast<double>(rows.scored), scored_row_, kReadingRate, reading_known_);
  }
}

}  // namespace scanserve::runtime
