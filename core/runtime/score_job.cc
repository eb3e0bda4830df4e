#include "core/runtime/score_job.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/ops/log_softmax.h"
#include "core/runtime/likeliest.h"

namespace scanserve::runtime {

ScoreJob::ScoreJob(ScoreRequest request, const model::LanguageModel& model,
                   std::shared_ptr<RequestStream> stream)
    : request_(std::move(request)), model_(model), stream_(std::move(stream)) {
  score_.document_tokens = prompt_tokens();
}

std::optional<Reading> ScoreJob::NextReading() {
  if (!rest_is_read_) {
    rest_is_read_ = true;
    return RestOfWindow();
  }
  if (window_.has_value()) EndWindow();
  const std::optional<ScoreWindow> next = NextWindow(request_, window_);
  if (next.has_value()) {
    window_ = next;
    return BeginWindow();
  }
  return std::nullopt;
}

void ScoreJob::Finish() {
  if (score_.all.tokens == 0) {
    score_.unscored_reason =
        request_.mode == PerplexityMode::kContinuation
            ? absl::StrCat("the document has ", prompt_tokens(), " tokens, the prefix takes ",
                           request_.prefix_tokens)
            : absl::StrCat("the document has ", prompt_tokens(),
                           " tokens, and the first of a window is never scored");
  }
  stream_->Push(std::move(score_));
}

Reading ScoreJob::BeginWindow() {
  nlls_.assign(static_cast<size_t>(window_->begin + window_->length - window_->first_target), 0);
  likeliest_.assign(request_.likeliest ? nlls_.size() : 0, -1);
  rest_is_read_ = window_->prompt_length == window_->length;
  Reading reading = PromptReading(request_.basics.scan, model_.config.num_layers, request_.tokens,
                                  window_->begin, window_->prompt_length);
  classes_.clear();
  // What is read naturally after the prefix has read everything before it and nothing after.
  if (request_.mode == PerplexityMode::kFullWindow && request_.basics.scan.order != nullptr) {
    const std::vector<int32_t> effective = order::EffectiveOrder(
        request_.basics.scan.order.get(), window_->length, request_.basics.scan.readout);
    const std::vector<int> layers(request_.basics.scan.target_layers.begin(),
                                  request_.basics.scan.target_layers.end());
    classes_ =
        order::ClassifyTargets(effective, layers, static_cast<int>(model_.config.num_layers));
  }
  return reading;
}

Reading ScoreJob::RestOfWindow() const {
  Reading reading;
  reading.fresh_state = false;
  const int64_t end = window_->begin + window_->length;
  for (int64_t i = window_->begin + window_->prompt_length; i < end; ++i) {
    reading.tokens.push_back(request_.tokens[static_cast<size_t>(i)]);
    reading.positions.push_back(i);
  }
  return reading;
}

bool ScoreJob::WantsLogits(int64_t position) const {
  const int64_t target = position + 1;
  return target >= window_->first_target && target < window_->begin + window_->length;
}

void ScoreJob::OnLogits(int64_t position, absl::Span<const float> logits) {
  const int64_t target = position + 1;
  const auto token = static_cast<size_t>(request_.tokens[static_cast<size_t>(target)]);
  const auto index = static_cast<size_t>(target - window_->first_target);
  nlls_[index] = static_cast<float>(ops::LogSumExp(logits) - static_cast<double>(logits[token]));
  if (!request_.likeliest) return;
  // Of its own: other positions come at the same time.
  std::vector<Candidate> found;
  FindLikeliest(logits, 1, found);
  if (!found.empty()) likeliest_[index] = found.front().token;
}

void ScoreJob::EndWindow() {
  ScoredTokens scored;
  for (size_t i = 0; i < nlls_.size(); ++i) {
    const int64_t position = window_->first_target + static_cast<int64_t>(i);
    const auto in_window = static_cast<size_t>(position - window_->begin);
    const ScoredTokens::Target target = {
        position, request_.tokens[static_cast<size_t>(position)], nlls_[i],
        classes_.empty() ? order::TargetClass::kCausal : classes_[in_window - 1],
        likeliest_.empty() ? -1 : likeliest_[i]};
    AddTarget(target);
    if (request_.per_token) scored.targets.push_back(target);
  }
  if (!scored.targets.empty()) stream_->Push(std::move(scored));
}

void ScoreJob::AddTarget(const ScoredTokens::Target& target) {
  const auto add = [&](Score& score) {
    score.nll += static_cast<double>(target.nll);
    ++score.tokens;
  };
  add(score_.all);
  switch (target.target_class) {
    case order::TargetClass::kLeaked:
      add(score_.leaked);
      break;
    case order::TargetClass::kLookahead:
      add(score_.lookahead);
      break;
    case order::TargetClass::kCausal:
      add(score_.causal);
      break;
  }
  if (request_.mode == PerplexityMode::kContinuation && target.position == request_.prefix_tokens) {
    add(score_.first_target);
  }
  if (!model_.tokenizer->IsSpecial(target.token)) {
    score_.scored_bytes += static_cast<int64_t>(model_.tokenizer->TokenBytes(target.token).size());
  }
}

}  // namespace scanserve::runtime
