#include "server/convert_extraction.h"

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/field_checks.h"

namespace scanserve::server {
namespace {

absl::StatusOr<runtime::HiddenStateKind> KindFromProto(v1::HiddenStateKind kind) {
  switch (kind) {
    case v1::HIDDEN_STATE_KIND_UNSPECIFIED:
    case v1::HIDDEN_STATE_KIND_MIXER_INPUT:
      return runtime::HiddenStateKind::kMixerInput;
    case v1::HIDDEN_STATE_KIND_LAYER_OUTPUT:
      return runtime::HiddenStateKind::kLayerOutput;
    case v1::HIDDEN_STATE_KIND_FINAL_NORM:
      return runtime::HiddenStateKind::kFinalNorm;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("kind: ", static_cast<int>(kind), " is not a kind of hidden state"));
  }
}

absl::StatusOr<v1::HiddenStateType> TypeFromProto(v1::HiddenStateType type) {
  switch (type) {
    case v1::HIDDEN_STATE_TYPE_UNSPECIFIED:
    case v1::HIDDEN_STATE_TYPE_FLOAT32:
      return v1::HIDDEN_STATE_TYPE_FLOAT32;
    case v1::HIDDEN_STATE_TYPE_BFLOAT16:
      return v1::HIDDEN_STATE_TYPE_BFLOAT16;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("type: ", static_cast<int>(type), " is not a type of hidden state"));
  }
}

absl::Status CheckLayers(const std::vector<int32_t>& layers, int64_t num_layers) {
  for (size_t i = 0; i < layers.size(); ++i) {
    SCANSERVE_RETURN_IF_ERROR(CheckRange("layers", layers[i], 0, num_layers - 1));
    if (i > 0 && layers[i] <= layers[i - 1]) {
      return absl::InvalidArgumentError(
          absl::StrCat("layers: ", layers[i], " after ", layers[i - 1], ", they must ascend"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ExtractionChoice> ExtractionFromProto(const v1::ExtractHiddenStatesRequest& proto,
                                                     const model::MambaConfig& config) {
  ExtractionChoice choice;
  SCANSERVE_ASSIGN_OR_RETURN(choice.kind, KindFromProto(proto.kind()));
  SCANSERVE_ASSIGN_OR_RETURN(choice.type, TypeFromProto(proto.type()));
  choice.layers.assign(proto.layers().begin(), proto.layers().end());
  SCANSERVE_RETURN_IF_ERROR(CheckLayers(choice.layers, config.num_layers));
  if (choice.kind == runtime::HiddenStateKind::kFinalNorm) {
    if (!choice.layers.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("layers: ", choice.layers.size(),
                       " named, FINAL_NORM comes after the last and has none"));
    }
  } else if (choice.layers.empty()) {
    choice.layers.push_back(static_cast<int32_t>(config.num_layers - 1));
  }
  return choice;
}

absl::StatusOr<HiddenStateShape> ExtractionShape(const v1::ExtractHiddenStatesRequest& proto,
                                                 const ExtractionChoice& choice,
                                                 int64_t prompt_tokens, int64_t hidden_size,
                                                 int64_t max_bytes) {
  const int64_t end = proto.end_position() == 0 ? prompt_tokens : proto.end_position();
  SCANSERVE_RETURN_IF_ERROR(CheckRange("end_position", end, 1, prompt_tokens));
  SCANSERVE_RETURN_IF_ERROR(CheckRange("begin_position", proto.begin_position(), 0, end - 1));
  HiddenStateShape shape;
  shape.layers = choice.layers;
  shape.begin_position = proto.begin_position();
  shape.rows = end - proto.begin_position();
  shape.hidden_size = hidden_size;
  shape.type = choice.type;
  const int64_t bytes =
      shape.matrices() * shape.rows * hidden_size * static_cast<int64_t>(sizeof(float));
  SCANSERVE_RETURN_IF_ERROR(CheckAtMost("layers", bytes, max_bytes, "bytes of hidden states"));
  return shape;
}

v1::HiddenStateKind HiddenStateKindToProto(runtime::HiddenStateKind kind) {
  switch (kind) {
    case runtime::HiddenStateKind::kMixerInput:
      return v1::HIDDEN_STATE_KIND_MIXER_INPUT;
    case runtime::HiddenStateKind::kLayerOutput:
      return v1::HIDDEN_STATE_KIND_LAYER_OUTPUT;
    case runtime::HiddenStateKind::kFinalNorm:
      return v1::HIDDEN_STATE_KIND_FINAL_NORM;
  }
  return v1::HIDDEN_STATE_KIND_UNSPECIFIED;
}

}  // namespace scanserve::server
