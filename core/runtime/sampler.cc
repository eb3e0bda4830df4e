#include "core/runtime/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/check.h"
#include "core/ops/log_softmax.h"
#include "core/runtime/philox.h"

namespace scanserve::runtime {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

}  // namespace

Sampler::Sampler(const SamplingParameters& parameters, const std::vector<bool>& selectable,
                 absl::Span<const int32_t> prompt)
    : parameters_(parameters), selectable_(selectable) {
  if (parameters.repetition_penalty == 1.0F) return;
  for (const int32_t token : prompt) ++seen_[token];
}

TokenLogprob Sampler::Next(absl::Span<const float> logits) {
  logits_.assign(logits.begin(), logits.end());
  ApplyRules();
  const int32_t token = parameters_.temperature == 0 ? Greedy() : Draw();
  ++tokens_chosen_;
  ++answer_counts_[token];
  if (parameters_.repetition_penalty != 1.0F) ++seen_[token];
  return WithLogprob(token, logits);
}

void Sampler::ApplyRules() {
  for (const auto& [token, bias] : parameters_.logit_bias) {
    logits_[static_cast<size_t>(token)] += bias;
  }
  for (const auto& [token, count] : seen_) {
    float& logit = logits_[static_cast<size_t>(token)];
    logit =
        logit > 0 ? logit / parameters_.repetition_penalty : logit * parameters_.repetition_penalty;
  }
  if (parameters_.presence_penalty != 0 || parameters_.frequency_penalty != 0) {
    for (const auto& [token, count] : answer_counts_) {
      logits_[static_cast<size_t>(token)] -=
          parameters_.presence_penalty + parameters_.frequency_penalty * static_cast<float>(count);
    }
  }
  for (const int32_t token : parameters_.suppressed_tokens) {
    logits_[static_cast<size_t>(token)] = kNever;
  }
  // What is no number, from broken weights, has no place in an order.
  for (size_t token = 0; token < logits_.size(); ++token) {
    if (!selectable_[token] || std::isnan(logits_[token])) logits_[token] = kNever;
  }
}

int32_t Sampler::Greedy() const {
  return static_cast<int32_t>(std::max_element(logits_.begin(), logits_.end()) - logits_.begin());
}

void Sampler::Truncate() {
  const auto likelier = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  };
  candidates_.clear();
  for (size_t token = 0; token < logits_.size(); ++token) {
    if (logits_[token] == kNever) continue;
    candidates_.push_back({static_cast<int32_t>(token), logits_[token]});
  }
  if (candidates_.empty()) return;
  if (parameters_.top_k > 0 && static_cast<size_t>(parameters_.top_k) < candidates_.size()) {
    std::nth_element(candidates_.begin(), candidates_.begin() + parameters_.top_k,
                     candidates_.end(), likelier);
    candidates_.resize(static_cast<size_t>(parameters_.top_k));
  }
  const bool ordered = parameters_.top_p < 1 || parameters_.min_p > 0;
  if (ordered) std::sort(candidates_.begin(), candidates_.end(), likelier);
  // Without an order to keep, ids ascend: nth_element leaves none that is the same everywhere.
  if (!ordered) {
    std::sort(candidates_.begin(), candidates_.end(),
              [](const Candidate& a, const Candidate& b) { return a.token < b.token; });
  }
  const float best =
      std::max_element(candidates_.begin(), candidates_.end(),
                       [](const Candidate& a, const Candidate& b) { return a.logit < b.logit; })
          ->logit;
  double total = 0;
  weights_.clear();
  for (const Candidate& candidate : candidates_) {
    weights_.push_back(std::exp((static_cast<double>(candidate.logit) - best) /
                                static_cast<double>(parameters_.temperature)));
    total += weights_.back();
  }
  if (!ordered) return;
  // Keeps the shortest likeliest head whose probabilities reach top_p.
  size_t kept = 0;
  for (double sum = 0; kept < weights_.size() && (kept == 0 || sum < parameters_.top_p * total);
       ++kept) {
    sum += weights_[kept];
  }
  while (kept > 1 && weights_[kept - 1] < static_cast<double>(parameters_.min_p)) --kept;
  candidates_.resize(kept);
  weights_.resize(kept);
}

int32_t Sampler::Draw() {
  Truncate();
  // Nothing is left: the greedy choice is defined for that too.
  if (candidates_.empty()) return Greedy();
  double total = 0;
  for (const double weight : weights_) total += weight;
  double rest =
      UniformDraw(parameters_.seed, /*choice=*/0, static_cast<uint64_t>(tokens_chosen_)) * total;
  for (size_t i = 0; i < weights_.size(); ++i) {
    rest -= weights_[i];
    if (rest < 0) return candidates_[i].token;
  }
  return candidates_.back().token;
}

TokenLogprob Sampler::WithLogprob(int32_t token, absl::Span<const float> logits) const {
  TokenLogprob result{token, 0, {}};
  if (!parameters_.logprobs) return result;
  const double normalizer = ops::LogSumExp(logits);
  const auto logprob = [&](int32_t id) {
    return static_cast<float>(static_cast<double>(logits[static_cast<size_t>(id)]) - normalizer);
  };
  result.logprob = logprob(token);
  const auto sortable = [&](int32_t id) {
    const float logit = logits[static_cast<size_t>(id)];
    return std::isnan(logit) ? kNever : logit;
  };
  const auto count = std::min(static_cast<size_t>(parameters_.top_logprobs), logits.size());
  std::vector<int32_t> ids(logits.size());
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i);
  std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count), ids.end(),
                    [&](int32_t a, int32_t b) {
                      const float logit_a = sortable(a), logit_b = sortable(b);
                      return logit_a != logit_b ? logit_a > logit_b : a < b;
                    });
  for (size_t i = 0; i < count; ++i) result.top.emplace_back(ids[i], logprob(ids[i]));
  return result;
}

}  // namespace scanserve::runtime
