#include "core/runtime/generate_job.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace scanserve::runtime {
namespace {

bool Contains(const std::vector<int32_t>& ids, int32_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

GenerateJob::GenerateJob(GenerateRequest request, const model::LanguageModel& model,
                         const std::vector<bool>& selectable, std::shared_ptr<RequestStream> stream)
    : request_(std::move(request)),
      model_(model),
      stream_(std::move(stream)),
      sampler_(request_.sampling, selectable, request_.prompt),
      text_(*model.tokenizer, request_.sampling.stop_strings) {}

std::optional<Reading> GenerateJob::NextReading() {
  if (!prompt_read_) {
    prompt_read_ = true;
    return PromptReading(request_.basics.scan, model_.config.num_layers, request_.prompt, 0,
                         prompt_tokens());
  }
  if (finished_.has_value()) {
    stream_->Push(*std::move(finished_));
    return std::nullopt;
  }
  Reading reading;
  reading.tokens = {*last_token_};
  reading.positions = {prompt_tokens() + sampler_.tokens_chosen() - 1};
  reading.fresh_state = false;
  return reading;
}

bool GenerateJob::WantsLogits(int64_t position) const {
  // The readout of the prompt, and each decoded token.
  return position >= prompt_tokens() - 1;
}

void GenerateJob::OnLogits(int64_t /*position*/, absl::Span<const float> logits) {
  SCANSERVE_CHECK(!finished_.has_value());
  TokenLogprob chosen = sampler_.Next(logits);
  const int32_t token = chosen.token;
  last_token_ = token;
  finished_ = EndingAt(token);
  const bool ended_by_token = finished_.has_value() && finished_->reason != FinishReason::kLength;
  if (!ended_by_token) Send(text_.Push(std::move(chosen), request_.sampling.logprobs));
  if (finished_.has_value()) Send(text_.Finish());
  if (text_.stopped_by().has_value()) {
    finished_ = Finished{FinishReason::kStopString, *text_.stopped_by(), std::nullopt, 0};
  }
  if (finished_.has_value()) finished_->generated_tokens = sampler_.tokens_chosen();
}

std::optional<Finished> GenerateJob::EndingAt(int32_t token) const {
  const SamplingParameters& sampling = request_.sampling;
  if (Contains(sampling.stop_token_ids, token)) {
    return Finished{FinishReason::kStopToken, "", token, 0};
  }
  if (!sampling.ignore_eos && Contains(sampling.eos_token_ids, token)) {
    return Finished{FinishReason::kEndOfText, "", token, 0};
  }
  if (sampler_.tokens_chosen() >= sampling.max_new_tokens) {
    return Finished{FinishReason::kLength, "", std::nullopt, 0};
  }
  return std::nullopt;
}

void GenerateJob::Send(Delta delta) {
  if (!delta.text.empty() || !delta.tokens.empty()) stream_->Push(std::move(delta));
}

}  // namespace scanserve::runtime
