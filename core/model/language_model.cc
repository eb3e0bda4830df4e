#include "core/model/language_model.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/model/content_digest.h"
#include "core/model/json_field.h"
#include "core/model/mixer_shapes.h"

namespace scanserve::model {
namespace {

constexpr int64_t kMaxJsonBytes = 16 << 20;

nlohmann::json CanonicalFields(const MambaConfig& config) {
  return {{"vocab_size", config.vocab_size},
          {"hidden_size", config.hidden_size},
          {"num_hidden_layers", config.num_layers},
          {"state_size", config.state_size},
          {"conv_kernel", config.conv_kernel},
          {"inner_size", config.inner_size},
          {"time_step_rank", config.time_step_rank},
          {"layer_norm_epsilon", static_cast<double>(config.norm_epsilon)},
          {"use_bias", config.use_bias},
          {"use_conv_bias", config.use_conv_bias},
          {"tie_word_embeddings", config.tie_word_embeddings}};
}

const char* TypeWord(DataType type) {
  switch (type) {
    case DataType::kBFloat16:
      return "bfloat16";
    case DataType::kFloat16:
      return "float16";
    case DataType::kFloat32:
    case DataType::kOther:
      return "float32";
  }
  return "";
}

// Also what a request may name as end of text when generation_config.json is absent or silent.
absl::Status AddConfigDefaults(const std::string& config_text, const MambaConfig& config,
                               GenerationConfig& generation) {
  SCANSERVE_ASSIGN_OR_RETURN(const nlohmann::json json,
                             ParseJsonObject(config_text, "config.json"));
  if (generation.eos_token_ids.empty()) {
    SCANSERVE_ASSIGN_OR_RETURN(generation.eos_token_ids,
                               IdListField(json, "eos_token_id", config.vocab_size - 1));
  }
  return absl::OkStatus();
}

absl::Status CheckIds(const char* field, const std::vector<int32_t>& ids, int64_t vocab_size) {
  for (const int32_t id : ids) {
    if (id < vocab_size) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("field ", field, ": token ", id, ", the model has ", vocab_size, " tokens"));
  }
  return absl::OkStatus();
}

absl::StatusOr<GenerationConfig> LoadGenerationConfig(const std::string& folder,
                                                      const std::string& config_text,
                                                      const MambaConfig& config) {
  const std::string path = absl::StrCat(folder, "/generation_config.json");
  GenerationConfig generation;
  const absl::StatusOr<std::string> text = base::ReadFile(path, kMaxJsonBytes);
  if (text.ok()) {
    absl::StatusOr<GenerationConfig> read = GenerationConfig::FromJson(*text);
    if (!read.ok()) return base::InFile(path, read.status());
    generation = *std::move(read);
  } else if (!absl::IsNotFound(text.status())) {
    return text.status();
  }
  if (const absl::Status status = AddConfigDefaults(config_text, config, generation);
      !status.ok()) {
    return base::InFile(absl::StrCat(folder, "/config.json"), status);
  }
  for (const absl::Status& status :
       {CheckIds("eos_token_id", generation.eos_token_ids, config.vocab_size),
        CheckIds("suppress_tokens", generation.suppress_tokens, config.vocab_size)}) {
    if (!status.ok()) return base::InFile(path, status);
  }
  return generation;
}

std::string FolderName(const std::string& folder) {
  std::error_code ignored;
  const std::filesystem::path path = std::filesystem::weakly_canonical(folder, ignored);
  return path.has_filename() ? path.filename().string() : path.parent_path().filename().string();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const LanguageModel>> LoadLanguageModel(
    const std::string& folder, const ops::LinearFactory& make_linear) {
  auto model = std::make_shared<LanguageModel>();
  model->name = FolderName(folder);
  const std::string config_path = absl::StrCat(folder, "/config.json");
  SCANSERVE_ASSIGN_OR_RETURN(const std::string config_text,
                             base::ReadFile(config_path, kMaxJsonBytes));
  const absl::StatusOr<MambaConfig> config = MambaConfig::FromJson(config_text);
  if (!config.ok()) return base::InFile(config_path, config.status());
  model->config = *config;
  SCANSERVE_ASSIGN_OR_RETURN(model->generation, LoadGenerationConfig(folder, config_text, *config));
  SCANSERVE_ASSIGN_OR_RETURN(model->tokenizer,
                             Tokenizer::FromFile(absl::StrCat(folder, "/tokenizer.json")));
  if (model->tokenizer->vocab_size() > config->vocab_size) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder, "/tokenizer.json: ", model->tokenizer->vocab_size(),
                     " tokens, the model has ", config->vocab_size));
  }
  model->tokenizer_digest = model->tokenizer->digest();
  SCANSERVE_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(folder));
  absl::StatusOr<std::unique_ptr<const Mamba>> network =
      Mamba::Create(*config, checkpoint, make_linear);
  if (!network.ok()) return base::InFile(folder, network.status());
  model->network = *std::move(network);
  model->digest =
      ContentDigest("scanserve.model.v1", CanonicalFields(*config), checkpoint.tensors());
  model->parameters = ParameterCount(*config);
  // The largest tensor speaks for all: norms are often kept wider.
  model->weight_type = TypeWord(checkpoint.Find("backbone.norm_f.weight")->type);
  for (const char* name : {"backbone.embedding.weight", "backbone.embeddings.weight"}) {
    if (const TensorView* tensor = checkpoint.Find(name))
      model->weight_type = TypeWord(tensor->type);
  }
  model->weight_bytes = model->network->weight_bytes();
  return std::shared_ptr<const LanguageModel>(std::move(model));
}

}  // namespace scanserve::model
