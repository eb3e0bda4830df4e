#include "tests/core/model/tokenizer/golden_file.h"

#include <map>

#include "core/base/check.h"
#include "core/base/file.h"
#include "core/base/sha256.h"

namespace scanserve::model {

std::string ReadSource(const std::string& path_from_root) {
  auto content = base::ReadFile(std::string(SCANSERVE_SOURCE_DIR "/") + path_from_root, 64 << 20);
  SCANSERVE_CHECK(content.ok());
  return *std::move(content);
}

nlohmann::json ReadGolden(const std::string& file) {
  return nlohmann::json::parse(ReadSource("tests/golden/tokenizer/" + file));
}

const nlohmann::json& BaseDocument(const std::string& name) {
  static const auto* documents = new std::map<std::string, nlohmann::json>{
      {"scanserve-6m", nlohmann::json::parse(ReadSource("models/scanserve-6m/tokenizer.json"))},
      {"gpt-neox-20b", nlohmann::json::parse(ReadSource("tests/data/gpt-neox-20b/tokenizer.json"))},
  };
  return documents->at(name);
}

std::unique_ptr<const Tokenizer> LoadDocument(const nlohmann::json& document) {
  auto tokenizer = Tokenizer::FromJson(document.dump());
  if (!tokenizer.ok()) std::fprintf(stderr, "%s\n", tokenizer.status().ToString().c_str());
  SCANSERVE_CHECK(tokenizer.ok());
  return *std::move(tokenizer);
}

std::unique_ptr<const Tokenizer> LoadCase(const nlohmann::json& golden_case) {
  if (golden_case.contains("json")) return LoadDocument(golden_case["json"]);
  nlohmann::json document = BaseDocument(golden_case["base"].get<std::string>());
  if (golden_case.contains("patch")) document.merge_patch(golden_case["patch"]);
  return LoadDocument(document);
}

std::string DigestOfIds(const std::vector<std::vector<int32_t>>& lists) {
  base::Sha256 hash;
  const auto add = [&](int32_t value) {
    std::string bytes;
    for (int shift = 0; shift < 32; shift += 8) {
      bytes.push_back(static_cast<char>(static_cast<uint32_t>(value) >> shift));
    }
    hash.Update(bytes);
  };
  for (const std::vector<int32_t>& ids : lists) {
    add(static_cast<int32_t>(ids.size()));
    for (const int32_t id : ids) add(id);
  }
  return hash.FinishHex();
}

}  // namespace scanserve::model
