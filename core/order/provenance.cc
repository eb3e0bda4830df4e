#include "core/order/provenance.h"

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/order/json_field.h"
#include "nlohmann/json.hpp"

namespace scanserve::order {
namespace {

constexpr size_t kMaxTextBytes = 256;

struct TextField {
  const char* name;
  const std::string& value;
};

absl::Status ValidateText(const TextField& field) {
  if (field.value.size() <= kMaxTextBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "provenance ", field.name, ": ", field.value.size(), " bytes, the limit is ", kMaxTextBytes));
}

}  // namespace

absl::Status ValidateProvenance(const Provenance& provenance) {
  const Provenance& p = provenance;
  for (const TextField& field :
       {TextField{"model_digest", p.model_digest},
        TextField{"tokenizer_digest", p.tokenizer_digest},
        TextField{"adapter_digest", p.adapter_digest}, TextField{"corpus_digest", p.corpus_digest},
        TextField{"method", p.method}, TextField{"program", p.program}}) {
    SCANSERVE_RETURN_IF_ERROR(ValidateText(field));
  }
  // What does not survive being written and read would make the order unreadable later: text that
  // is not UTF-8, lengths that are not finite, times that the format cannot hold.
  const std::string text = ProvenanceToJson(p).dump(-1, ' ', /*ensure_ascii=*/false,
                                                    nlohmann::json::error_handler_t::replace);
  const absl::StatusOr<Provenance> read =
      ProvenanceFromJson(nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false));
  if (!read.ok()) return read.status();
  if (*read == p) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "provenance: expected text in valid UTF-8 and a time between the years 0 and 9999");
}

nlohmann::json ProvenanceToJson(const Provenance& provenance) {
  const Provenance& p = provenance;
  return {{"model_digest", p.model_digest},
          {"tokenizer_digest", p.tokenizer_digest},
          {"adapter_digest", p.adapter_digest},
          {"layer", p.layer},
          {"corpus_digest", p.corpus_digest},
          {"rows", p.rows},
          {"rows_used", p.rows_used},
          {"method", p.method},
          {"seed", p.seed},
          {"natural_length", p.natural_length},
          {"tour_length", p.tour_length},
          {"created", JsonTime(p.created)},
          {"program", p.program}};
}

absl::StatusOr<Provenance> ProvenanceFromJson(const nlohmann::json& json) {
  Provenance p;
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "model_digest", p.model_digest));
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "tokenizer_digest", p.tokenizer_digest));
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "adapter_digest", p.adapter_digest));
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "layer", p.layer));
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "corpus_digest", p.corpus_digest));
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "rows", p.rows));
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "rows_used", p.rows_used));
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "method", p.method));
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "seed", p.seed));
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "natural_length", p.natural_length));
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "tour_length", p.tour_length));
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "created", p.created));
  SCANSERVE_RETURN_IF_ERROR(ReadJsonField(json, "program", p.program));
  return p;
}

}  // namespace scanserve::order
