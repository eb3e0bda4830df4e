// A language model in memory: network, tokenizer, defaults and digests. Immutable and thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/model/generation_config.h"
#include "core/model/mamba.h"
#include "core/model/mamba_config.h"
#include "core/model/tokenizer/tokenizer.h"

namespace scanserve::model {

struct LanguageModel {
  // The folder's last component.
  std::string name;
  MambaConfig config;
  std::unique_ptr<const Mamba> network;
  std::unique_ptr<const Tokenizer> tokenizer;
  GenerationConfig generation;
  // SHA-256, 64 hex digits: of config and tensors (docs/digests.md), and of the tokenizer.
  std::string digest;
  std::string tokenizer_digest;
  // Parameters of the checkpoint, tied ones counted once.
  int64_t parameters = 0;
  // As stored: "float32", "bfloat16" or "float16".
  std::string weight_type;
  // Memory that the weights take as held.
  int64_t weight_bytes = 0;
};

// Loads a Hugging Face folder: config.json, *.safetensors (one file or sharded with an index),
// tokenizer.json, optional generation_config.json. NOT_FOUND or INVALID_ARGUMENT name the file and
// what is wrong with it, e.g. "tensor backbone.layers.3.mixer.dt_proj.weight: shape [16, 512],
// expected [512, 16]".
absl::StatusOr<std::shared_ptr<const LanguageModel>> LoadLanguageModel(
    const std::string& folder, const ops::LinearFactory& make_linear);

}  // namespace scanserve::model
