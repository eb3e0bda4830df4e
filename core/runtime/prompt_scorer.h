// Collects the log probabilities of a prompt's tokens, in whatever order the scan gives the logits.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/types/span.h"
#include "core/model/mamba_config.h"
#include "core/runtime/request.h"

namespace scanserve::runtime {

// Belongs to one job. Keeps a few bytes for each token, never logits.
class PromptScorer {
 public:
  // `request` and `config` must outlive it. `released` is called, on any thread, when the values
  // are freed, which are made by the first call of Begin().
  PromptScorer(const GenerateRequest& request, const model::MambaConfig& config,
               std::function<void()> released);

  // Bytes of the values; 0 for a request that asks for none.
  static int64_t Bytes(const GenerateRequest& request);

  void Begin();
  // The logits at a position of the prompt but its last; each once.
  void OnLogits(int64_t position, absl::Span<const float> logits);
  // Whether all of them have come.
  bool complete() const { return missing_ == 0; }
  // The values, which it then no longer holds.
  PromptLogprobs Take();

 private:
  const GenerateRequest& request_;
  const model::MambaConfig& config_;
  const std::function<void()> released_;
  int64_t missing_;
  std::shared_ptr<PromptLogprobs::Values> values_;
};

}  // namespace scanserve::runtime
