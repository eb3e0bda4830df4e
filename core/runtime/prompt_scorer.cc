#include "core/runtime/prompt_scorer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/order/scan_order.h"
#include "core/order/target_class.h"
#include "core/runtime/sampler.h"

namespace scanserve::runtime {

PromptScorer::PromptScorer(const GenerateRequest& request, const model::MambaConfig& config,
                           std::function<void()> released)
    : request_(request),
      config_(config),
      released_(std::move(released)),
      missing_(static_cast<int64_t>(request.prompt.size()) - 1) {}

int64_t PromptScorer::Bytes(const GenerateRequest& request) {
  if (!request.prompt_logprobs) return 0;
  constexpr int64_t kTokenBytes = sizeof(float) + sizeof(order::TargetClass);
  constexpr int64_t kAlternativeBytes = sizeof(std::pair<int32_t, float>);
  return (static_cast<int64_t>(request.prompt.size()) - 1) *
         (kTokenBytes + request.sampling.top_logprobs * kAlternativeBytes);
}

void PromptScorer::Begin() {
  // The last owner, here or in the server, gives the bytes back.
  values_ = std::shared_ptr<PromptLogprobs::Values>(
      new PromptLogprobs::Values, [released = released_](PromptLogprobs::Values* values) {
        delete values;
        released();
      });
  values_->logprobs.resize(static_cast<size_t>(missing_));
  values_->alternatives =
      static_cast<int32_t>(std::min<int64_t>(request_.sampling.top_logprobs, config_.vocab_size));
  values_->top.resize(values_->logprobs.size() * static_cast<size_t>(values_->alternatives));
  const AppliedScan& scan = request_.basics.scan;
  if (scan.order == nullptr) return;
  const std::vector<int32_t> effective = order::EffectiveOrder(
      scan.order.get(), static_cast<int64_t>(request_.prompt.size()), scan.readout);
  const std::vector<int> layers(scan.target_layers.begin(), scan.target_layers.end());
  values_->classes =
      order::ClassifyTargets(effective, layers, static_cast<int>(config_.num_layers));
}

void PromptScorer::OnLogits(int64_t position, absl::Span<const float> logits) {
  const auto index = static_cast<size_t>(position);
  const TokenLogprob scored = LogprobOf(request_.prompt[index + 1], logits, values_->alternatives);
  values_->logprobs[index] = scored.logprob;
  std::copy(scored.top.begin(), scored.top.end(),
            values_->top.begin() + static_cast<std::ptrdiff_t>(index * scored.top.size()));
  --missing_;
}

PromptLogprobs PromptScorer::Take() { return {std::move(values_)}; }

}  // namespace scanserve::runtime
