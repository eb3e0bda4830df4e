// The defaults for sampling that come with a model, as generation_config.json states them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>
#include "absl/strings/string_view.h"

#include "absl/status/statusor.h"

namespace scanserve::model {

// A field without value is not in the file: Hugging Face's default applies.
struct GenerationConfig {
  std::optional<bool> do_sample;
  std::optional<float> temperature;
  std::optional<int32_t> top_k;
  std::optional<float> top_p;
  std::optional<float> min_p;
  std::optional<float> repetition_penalty;
  std::optional<int32_t> max_new_tokens;
  std::vector<int32_t> eos_token_ids;
  std::vector<int32_t> suppress_tokens;

  // INVALID_ARGUMENT names the field and its value. Unknown fields are ignored, as Hugging Face
  // does.
  static absl::StatusOr<GenerationConfig> FromJson(absl::string_view json);
};

}  // namespace scanserve::model
