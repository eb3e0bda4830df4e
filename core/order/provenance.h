// How a computed scan order came about: what has to be known to compute it again.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nlohmann/json_fwd.hpp"

namespace scanserve::order {

// Digests are SHA-256 as 64 hex digits.
struct Provenance {
  std::string model_digest;
  std::string tokenizer_digest;
  std::string adapter_digest;  // empty: extracted without adapter
  int32_t layer = 0;           // whose mixer input was taken, 0-based
  std::string corpus_digest;
  int64_t rows = 0;       // tokens whose hidden states were extracted
  int64_t rows_used = 0;  // of these, rows that the order was computed from
  std::string method;     // e.g. "nearest-neighbour"
  int64_t seed = 0;
  double natural_length = 0;
  double tour_length = 0;
  absl::Time created;
  std::string program;  // program and version that computed it

  friend bool operator==(const Provenance&, const Provenance&) = default;
};

// INVALID_ARGUMENT unless it can be kept: text of at most 256 bytes a field in valid UTF-8, finite
// lengths, a time between the years 0 and 9999.
absl::Status ValidateProvenance(const Provenance& provenance);

nlohmann::json ProvenanceToJson(const Provenance& provenance);

// INVALID_ARGUMENT naming a field that is missing or of another type; unknown fields are ignored.
absl::StatusOr<Provenance> ProvenanceFromJson(const nlohmann::json& json);

}  // namespace scanserve::order
