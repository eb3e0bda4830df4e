// Reads the values that Hugging Face gave (tests/golden), and the models that they are about.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "core/base/file.h"
#include "core/base/npy.h"
#include "core/model/adapter.h"
#include "core/model/language_model.h"
#include "core/order/scan_order.h"
#include "nlohmann/json.hpp"

namespace scanserve::runtime {

inline std::string SourcePath(const std::string& path) {
  return std::string(SCANSERVE_SOURCE_DIR) + "/" + path;
}

inline std::string GoldenPath(const std::string& path) {
  return SourcePath("tests/golden/" + path);
}

inline std::string FileContent(const std::string& path) {
  auto content = base::ReadFile(path, int64_t{1} << 30);
  EXPECT_TRUE(content.ok()) << content.status();
  return content.ok() ? *content : "";
}

inline nlohmann::json GoldenJson(const std::string& path) {
  return nlohmann::json::parse(FileContent(GoldenPath(path)));
}

inline base::FloatMatrix GoldenMatrix(const std::string& path) {
  auto matrix = base::ReadNpyFloatMatrix(GoldenPath(path), int64_t{1} << 30);
  EXPECT_TRUE(matrix.ok()) << matrix.status();
  return matrix.ok() ? *std::move(matrix) : base::FloatMatrix{};
}

inline std::vector<int32_t> GoldenIds(const std::string& path) {
  auto values = base::ParseNpyIntegers(FileContent(GoldenPath(path)), 1 << 20);
  EXPECT_TRUE(values.ok()) << values.status();
  return values.ok() ? std::vector<int32_t>(values->begin(), values->end())
                     : std::vector<int32_t>();
}

inline std::shared_ptr<const order::ScanOrder> GoldenOrder(const std::string& path) {
  auto loaded = order::ScanOrder::FromNpy(FileContent(GoldenPath(path)));
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  return loaded.ok() ? *loaded : nullptr;
}

// `folder` is relative to the repository. Null, with a test failure, when it does not load.
inline std::shared_ptr<const model::LanguageModel> LoadModel(const std::string& folder) {
  auto loaded = model::LoadLanguageModel(SourcePath(folder), ops::MakePackedLinear);
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  return loaded.ok() ? *loaded : nullptr;
}

inline std::shared_ptr<const model::LanguageModel> EmbeddedModel() {
  static const auto model = LoadModel("models/scanserve-6m");
  return model;
}

// Null for the empty name.
inline std::shared_ptr<const model::Adapter> LoadAdapter(const std::string& model_folder,
                                                         const std::string& name,
                                                         const model::MambaConfig& config) {
  if (name.empty()) return nullptr;
  auto loaded = model::Adapter::Load(name, SourcePath(model_folder + "/adapters/" + name), config,
                                     ops::MakePackedLinear);
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  return loaded.ok() ? *loaded : nullptr;
}

inline std::shared_ptr<const model::Adapter> MergedAdapter(const model::Adapter& adapter,
                                                           const model::LanguageModel& model) {
  return adapter.Merge(*model.network, ops::MakePackedLinear);
}

inline std::string StringOrEmpty(const nlohmann::json& value) {
  return value.is_string() ? value.get<std::string>() : "";
}

// The largest absolute difference that the contract allows: 5e-4, more for logits beyond 20.
inline double LogitTolerance(const std::vector<float>& expected) {
  double largest = 0;
  for (const float value : expected) largest = std::max(largest, std::fabs(double{value}));
  return 5e-4 * std::max(1.0, largest / 20);
}

}  // namespace scanserve::runtime
