// Chooses the next token of one answer from the model's logits.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/types/span.h"
#include "core/runtime/request.h"
#include "core/runtime/sampling_parameters.h"
#include "core/runtime/session.h"

namespace scanserve::runtime {

// Log probability of `token` under the model's own distribution, with the `alternatives` likeliest
// tokens beside it. Thread-safe.
TokenLogprob LogprobOf(int32_t token, absl::Span<const float> logits, int32_t alternatives);

// Holds what the penalties count. Belongs to one answer; samplers of different answers may run on
// different threads at once. The same parameters, choice, prompt and logits give the same tokens,
// whatever else runs.
class Sampler {
 public:
  // `parameters` must outlive it. selectable[id] is false for ids without a token. `choice` says
  // which of several answers to one prompt this is.
  Sampler(const SamplingParameters& parameters, const std::vector<bool>& selectable,
          absl::Span<const int32_t> prompt, int32_t choice = 0);

  // Lets the penalties count what stands before the prompt too: of earlier prompts and answers.
  // Before the first token.
  void CountEarlier(const TokenCounts& prompts, const TokenCounts& answers);

  // The next token, and its log probability when asked for. Advances the token index and the
  // counts.
  TokenLogprob Next(absl::Span<const float> logits);

  int64_t tokens_chosen() const { return tokens_chosen_; }

 private:
  // What a choice needs besides the logits of the model. One for each thread, so that a choice
  // allocates nothing and its memory is still in the cache at the next one.
  struct Scratch;
  static Scratch& ThreadScratch();

  // Fills scratch.logits, [vocabulary], none of them NaN: after bias, penalties and suppression.
  void ApplyRules(absl::Span<const float> logits, Scratch& scratch) const;
  int32_t Draw(Scratch& scratch) const;
  int32_t DrawFromAll(float largest, Scratch& scratch) const;
  // Fills scratch.candidates and their weights by what top_k, top_p and min_p leave.
  void Truncate(float largest, Scratch& scratch) const;
  // Cuts the candidates where top_p and min_p end them; false when both would take more.
  bool CutTail(double total, Scratch& scratch) const;
  // In [0, 1), of this token of this choice.
  double Uniform() const;

  const SamplingParameters& parameters_;
  const int32_t choice_;
  // Suppressed, or without a token.
  std::vector<int32_t> never_;
  absl::flat_hash_map<int32_t, int32_t> answer_counts_;
  // In prompt or answer.
  absl::flat_hash_set<int32_t> seen_;
  int64_t tokens_chosen_ = 0;
};

}  // namespace scanserve::runtime
