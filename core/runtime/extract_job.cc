#include "core/runtime/extract_job.h"

#include <algorithm>
#include <utility>

namespace scanserve::runtime {

ExtractJob::ExtractJob(ExtractRequest request, const model::LanguageModel& model,
                       std::shared_ptr<RequestStream> stream)
    : request_(std::move(request)),
      model_(model),
      stream_(std::move(stream)),
      place_of_layer_(static_cast<size_t>(model.config.num_layers), -1) {
  if (request_.kind == HiddenStateKind::kFinalNorm) {
    place_of_layer_[0] = matrices_++;
    return;
  }
  for (const int32_t layer : request_.layers) {
    place_of_layer_[static_cast<size_t>(layer)] = matrices_++;
  }
}

int64_t ExtractJob::collected_bytes() const {
  return matrices_ * rows() * model_.config.hidden_size * static_cast<int64_t>(sizeof(float));
}

std::optional<Reading> ExtractJob::NextReading() {
  if (prompt_read_) {
    stream_->Push(HiddenStates{std::move(data_)});
    return std::nullopt;
  }
  prompt_read_ = true;
  // The last owner, here or in the server, gives the bytes back.
  data_ = std::shared_ptr<std::vector<float>>(
      new std::vector<float>(static_cast<size_t>(collected_bytes()) / sizeof(float)),
      [released = released_](std::vector<float>* data) {
        delete data;
        released();
      });
  return PromptReading(request_.basics.scan, model_.config.num_layers, request_.tokens, 0,
                       prompt_tokens());
}

bool ExtractJob::WantsHidden(int64_t layer, int64_t position) const {
  return place_of_layer_[static_cast<size_t>(layer)] >= 0 && position >= request_.begin_position &&
         position < request_.end_position;
}

void ExtractJob::OnHidden(int64_t layer, int64_t position, absl::Span<const float> row) {
  const int64_t place = place_of_layer_[static_cast<size_t>(layer)];
  const int64_t index = place * rows() + position - request_.begin_position;
  std::copy(row.begin(), row.end(), data_->begin() + index * model_.config.hidden_size);
}

}  // namespace scanserve::runtime
