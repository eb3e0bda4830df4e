// Chooses the next token of one answer from the model's logits.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "absl/types/span.h"
#include "core/runtime/request.h"
#include "core/runtime/sampling_parameters.h"

namespace scanserve::runtime {

// Holds what the penalties count. Belongs to one sequence. The same parameters, prompt and logits
// give the same tokens, whatever else runs.
class Sampler {
 public:
  // `parameters` and `selectable` must outlive it. selectable[id] is false for ids without a token.
  Sampler(const SamplingParameters& parameters, const std::vector<bool>& selectable,
          absl::Span<const int32_t> prompt);

  // The next token, and its log probability when asked for. Advances the token index and the
  // counts.
  TokenLogprob Next(absl::Span<const float> logits);

  int64_t tokens_chosen() const { return tokens_chosen_; }

 private:
  struct Candidate {
    int32_t token;
    float logit;
  };

  void ApplyRules();
  int32_t Greedy() const;
  int32_t Draw();
  // Orders the likeliest first and drops what top_k, top_p and min_p exclude; fills weights_.
  void Truncate();
  TokenLogprob WithLogprob(int32_t token, absl::Span<const float> logits) const;

  const SamplingParameters& parameters_;
  const std::vector<bool>& selectable_;
  std::unordered_map<int32_t, int32_t> answer_counts_;
  std::unordered_map<int32_t, int32_t> seen_;
  int64_t tokens_chosen_ = 0;
  std::vector<float> logits_;  // after bias, penalties and suppression
  std::vector<Candidate> candidates_;
  std::vector<double> weights_;
};

}  // namespace scanserve::runtime
