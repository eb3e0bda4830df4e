// Continues a prompt token by token.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "core/model/language_model.h"
#include "core/runtime/job.h"
#include "core/runtime/sampler.h"
#include "core/runtime/text_stream.h"

namespace scanserve::runtime {

class GenerateJob : public Job {
 public:
  // `model` and `selectable` must outlive it.
  GenerateJob(GenerateRequest request, const model::LanguageModel& model,
              const std::vector<bool>& selectable, std::shared_ptr<RequestStream> stream);

  const RequestBasics& basics() const override { return request_.basics; }
  int64_t prompt_tokens() const override { return static_cast<int64_t>(request_.prompt.size()); }
  std::optional<Reading> NextReading() override;
  bool WantsLogits(int64_t position) const override;
  void OnLogits(int64_t position, absl::Span<const float> logits) override;
  bool has_first_token() const override { return sampler_.tokens_chosen() > 0; }

 private:
  // Why the answer ends with `token`, if it does.
  std::optional<Finished> EndingAt(int32_t token) const;
  void Send(Delta delta);

  const GenerateRequest request_;
  const model::LanguageModel& model_;
  const std::shared_ptr<RequestStream> stream_;
  Sampler sampler_;
  TextStream text_;
  bool prompt_read_ = false;
  std::optional<int32_t> last_token_;
  std::optional<Finished> finished_;
};

}  // namespace scanserve::runtime
