// Reference values of tests/golden/tokenizer and the tokenizers that they are about.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/model/tokenizer/tokenizer.h"
#include "nlohmann/json.hpp"

namespace scanserve::model {

std::string ReadSource(const std::string& path_from_root);
nlohmann::json ReadGolden(const std::string& file);

// The tokenizer.json of "scanserve-6m" or "gpt-neox-20b".
const nlohmann::json& BaseDocument(const std::string& name);
// The tokenizer of a golden case: its "json", or its "base" with its "patch" (RFC 7386) if it has
// one.
std::unique_ptr<const Tokenizer> LoadCase(const nlohmann::json& golden_case);
// Ends the test program when `document` is refused.
std::unique_ptr<const Tokenizer> LoadDocument(const nlohmann::json& document);

// SHA-256 over each list's length and elements, as int32, little endian.
std::string DigestOfIds(const std::vector<std::vector<int32_t>>& lists);

}  // namespace scanserve::model
