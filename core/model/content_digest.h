// Digests of models and adapters: SHA-256 over the canonical JSON of the fields that change the
// result, then for each tensor, sorted by name: name, dtype, shape, bytes. docs/digests.md has test
// vectors.
#pragma once

#include <string>
#include "absl/strings/string_view.h"

#include "core/model/safetensors.h"
#include "nlohmann/json.hpp"

namespace scanserve::model {

// `domain` keeps kinds of content apart, e.g. "scanserve.model.v1". Each text goes in with its
// length (uint64, little endian) before it, so that no two contents give the same bytes. 64 hex
// digits.
std::string ContentDigest(absl::string_view domain, const nlohmann::json& fields,
                          const TensorMap& tensors);

}  // namespace scanserve::model
