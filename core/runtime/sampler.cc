#include "core/runtime/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/ops/log_softmax.h"
#include "core/runtime/likeliest.h"
#include "core/runtime/philox.h"

namespace scanserve::runtime {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
// Without top_k: the candidates looked at first, and how many times as many when they are too few.
constexpr size_t kFirstCandidates = 64;
constexpr size_t kMoreCandidates = 8;

}  // namespace

struct Sampler::Scratch {
  std::vector<float> logits;  // [vocabulary]
  std::vector<Candidate> candidates;
  std::vector<double> weights;     // of the candidates
  std::vector<float> all_weights;  // [vocabulary]

  double WeighAll(float largest, float temperature) {
    all_weights.resize(logits.size());
    return ops::SoftmaxWeights(logits, largest, temperature, absl::MakeSpan(all_weights));
  }
  double WeighCandidates(float largest, float temperature) {
    weights.clear();
    double total = 0;
    for (const Candidate& candidate : candidates) {
      weights.push_back(std::exp((static_cast<double>(candidate.logit) - largest) /
                                 static_cast<double>(temperature)));
      total += weights.back();
    }
    return total;
  }
};

Sampler::Scratch& Sampler::ThreadScratch() {
  static thread_local Scratch scratch;
  return scratch;
}

TokenLogprob LogprobOf(int32_t token, absl::Span<const float> logits, int32_t alternatives) {
  const double normalizer = ops::LogSumExp(logits);
  const auto logprob = [&](int32_t id) {
    return static_cast<float>(static_cast<double>(logits[static_cast<size_t>(id)]) - normalizer);
  };
  TokenLogprob result{token, logprob(token), {}};
  const auto count = std::min(static_cast<size_t>(alternatives), logits.size());
  if (count == 0) return result;
  static thread_local std::vector<Candidate> likeliest;
  FindLikeliest(logits, count, likeliest);
  result.top.reserve(count);
  for (const Candidate& other : likeliest)
    result.top.emplace_back(other.token, logprob(other.token));
  // What has no place among the likeliest comes last.
  for (size_t id = 0; result.top.size() < count; ++id) {
    if (!(logits[id] > kNever)) {
      result.top.emplace_back(static_cast<int32_t>(id), logprob(static_cast<int32_t>(id)));
    }
  }
  return result;
}

Sampler::Sampler(const SamplingParameters& parameters, const std::vector<bool>& selectable,
                 absl::Span<const int32_t> prompt, int32_t choice)
    : parameters_(parameters), choice_(choice), never_(parameters.suppressed_tokens) {
  for (size_t id = 0; id < selectable.size(); ++id) {
    if (!selectable[id]) never_.push_back(static_cast<int32_t>(id));
  }
  if (parameters.repetition_penalty != 1.0F) seen_.insert(prompt.begin(), prompt.end());
}

void Sampler::CountEarlier(const TokenCounts& prompts, const TokenCounts& answers) {
  for (const auto& [token, count] : answers) answer_counts_[token] += count;
  if (parameters_.repetition_penalty == 1.0F) return;
  for (const TokenCounts* counts : {&prompts, &answers}) {
    for (const auto& [token, count] : *counts) seen_.insert(token);
  }
}

TokenLogprob Sampler::Next(absl::Span<const float> logits) {
  Scratch& scratch = ThreadScratch();
  ApplyRules(logits, scratch);
  const int32_t token = Draw(scratch);
  ++tokens_chosen_;
  ++answer_counts_[token];
  if (parameters_.repetition_penalty != 1.0F) seen_.insert(token);
  if (!parameters_.logprobs) return {token, 0, {}};
  return LogprobOf(token, logits, parameters_.top_logprobs);
}

void Sampler::ApplyRules(absl::Span<const float> logits, Scratch& scratch) const {
  std::vector<float>& ruled = scratch.logits;
  ruled.resize(logits.size());
  // What is no number, from broken weights, has no place in an order.
  std::transform(logits.begin(), logits.end(), ruled.begin(),
                 [](float logit) { return logit == logit ? logit : kNever; });
  for (const auto& [token, bias] : parameters_.logit_bias) {
    ruled[static_cast<size_t>(token)] += bias;
  }
  for (const int32_t token : seen_) {
    float& logit = ruled[static_cast<size_t>(token)];
    logit =
        logit > 0 ? logit / parameters_.repetition_penalty : logit * parameters_.repetition_penalty;
  }
  if (parameters_.presence_penalty != 0 || parameters_.frequency_penalty != 0) {
    for (const auto& [token, count] : answer_counts_) {
      ruled[static_cast<size_t>(token)] -=
          parameters_.presence_penalty + parameters_.frequency_penalty * static_cast<float>(count);
    }
  }
  for (const int32_t token : never_) ruled[static_cast<size_t>(token)] = kNever;
}

double Sampler::Uniform() const {
  return UniformDraw(parameters_.seed, static_cast<uint32_t>(choice_),
                     parameters_.first_draw + static_cast<uint64_t>(tokens_chosen_));
}

int32_t Sampler::Draw(Scratch& scratch) const {
  const size_t top_k = static_cast<size_t>(parameters_.top_k);
  const bool few = top_k > 0 && top_k < scratch.logits.size();
  FindLikeliest(scratch.logits, few && parameters_.temperature > 0 ? top_k : 1, scratch.candidates);
  // Nothing is left: the greedy choice is defined for that too.
  if (scratch.candidates.empty()) return 0;
  const Candidate best = scratch.candidates.front();
  if (parameters_.temperature == 0 || best.logit == kInfinity) return best.token;
  if (!few && parameters_.top_p == 1 && parameters_.min_p == 0) {
    return DrawFromAll(best.logit, scratch);
  }
  if (few) {
    CutTail(scratch.WeighCandidates(best.logit, parameters_.temperature), scratch);
  } else {
    Truncate(best.logit, scratch);
  }
  double total = 0;
  for (const double weight : scratch.weights) total += weight;
  double rest = Uniform() * total;
  for (size_t i = 0; i < scratch.weights.size(); ++i) {
    rest -= scratch.weights[i];
    if (rest < 0) return scratch.candidates[i].token;
  }
  return scratch.candidates.back().token;
}

int32_t Sampler::DrawFromAll(float largest, Scratch& scratch) const {
  double rest = Uniform() * scratch.WeighAll(largest, parameters_.temperature);
  int32_t last = 0;
  for (size_t token = 0; token < scratch.all_weights.size(); ++token) {
    const float weight = scratch.all_weights[token];
    if (weight == 0) continue;
    last = static_cast<int32_t>(token);
    rest -= static_cast<double>(weight);
    if (rest < 0) break;
  }
  return last;
}

void Sampler::Truncate(float largest, Scratch& scratch) const {
  const double total = scratch.WeighAll(largest, parameters_.temperature);
  for (size_t count = kFirstCandidates;; count *= kMoreCandidates) {
    FindLikeliest(scratch.logits, count, scratch.candidates);
    scratch.weights.clear();
    for (const Candidate& candidate : scratch.candidates) {
      scratch.weights.push_back(scratch.all_weights[static_cast<size_t>(candidate.token)]);
    }
    if (CutTail(total, scratch) || count >= scratch.logits.size()) return;
  }
}

bool Sampler::CutTail(double total, Scratch& scratch) const {
  std::vector<double>& weights = scratch.weights;
  // The shortest likeliest head whose probabilities reach top_p. 1 takes all, whatever the
  // rounding.
  const double wanted = parameters_.top_p < 1 ? parameters_.top_p * total : kInfinity;
  const auto min_p = static_cast<double>(parameters_.min_p);
  size_t kept = 0;
  double sum = 0;
  // The likeliest weighs 1, and is always kept.
  const auto ends = [&] {
    return sum >= wanted || (kept > 0 && kept < weights.size() && weights[kept] < min_p);
  };
  while (kept < weights.size() && !ends()) sum += weights[kept++];
  const bool ended = ends();
  weights.resize(kept);
  scratch.candidates.resize(kept);
  return ended;
}

}  // namespace scanserve::runtime
