// The shape of a Mamba-1 model, as config.json states it.
#pragma once

#include <cstdint>
#include "absl/strings/string_view.h"

#include "absl/status/statusor.h"

namespace scanserve::model {

struct MambaConfig {
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t num_layers = 0;
  // Values of the recurrent state per channel.
  int64_t state_size = 16;
  int64_t conv_kernel = 4;
  // int(expand * hidden_size): channels inside a mixer.
  int64_t inner_size = 0;
  int64_t time_step_rank = 0;
  float norm_epsilon = 1e-5F;
  bool use_bias = false;
  bool use_conv_bias = true;
  bool tie_word_embeddings = true;

  // Reads a Hugging Face config.json (`model_type: mamba`). INVALID_ARGUMENT names the field, its
  // value and what is accepted.
  static absl::StatusOr<MambaConfig> FromJson(absl::string_view json);
};

}  // namespace scanserve::model
