#include "core/model/content_digest.h"

#include <gtest/gtest.h>

#include <functional>

#include "core/model/adapter.h"
#include "tests/core/model/checkpoint_folder.h"

namespace scanserve::model {
namespace {

constexpr const char* kAdapter = "adapters/all_modules";

// Of the copy of a checkpoint after `change`: of the model, the tokenizer and the adapter.
std::vector<std::string> Digests(const std::function<void(const CheckpointFolder&)>& change) {
  const CheckpointFolder folder("odd_vocabulary");
  change(folder);
  const auto model = folder.Load();
  EXPECT_TRUE(model.ok()) << model.status();
  const auto adapter =
      Adapter::Load("a", folder.path() + "/" + kAdapter, (*model)->config, ops::MakePackedLinear);
  EXPECT_TRUE(adapter.ok()) << adapter.status();
  return {(*model)->digest, (*model)->tokenizer_digest, (*adapter)->digest()};
}

void ExpectChanges(const std::function<void(const CheckpointFolder&)>& change, bool model,
                   bool adapter) {
  const std::vector<std::string> before = Digests([](const CheckpointFolder&) {});
  const std::vector<std::string> after = Digests(change);
  EXPECT_EQ(before[0] != after[0], model);
  EXPECT_EQ(before[1], after[1]);
  EXPECT_EQ(before[2] != after[2], adapter);
}

void FlipBit(const CheckpointFolder& folder, const std::string& file, const std::string& tensor) {
  StoredTensors tensors = folder.ReadTensors(file);
  ASSERT_TRUE(tensors.contains(tensor));
  tensors[tensor].bytes[0] = static_cast<char>(tensors[tensor].bytes[0] ^ 1);
  folder.WriteTensors(file, tensors);
}

TEST(ContentDigestTest, IsThatOfTheContentAndNotOfTheFile) {
  ExpectChanges(
      [](const CheckpointFolder& folder) {
        // Another order of fields and tensors, other white space and fields without effect.
        folder.SetField("config.json", "transformers_version", "5.0.0");
        folder.WriteTensors("model.safetensors", folder.ReadTensors("model.safetensors"));
        folder.SetField(std::string(kAdapter) + "/adapter_config.json", "lora_dropout", 0.5);
      },
      false, false);
}

TEST(ContentDigestTest, ChangesWithOneBitOfOneWeight) {
  ExpectChanges(
      [](const CheckpointFolder& folder) {
        FlipBit(folder, "model.safetensors", "backbone.layers.2.norm.weight");
      },
      true, false);
  ExpectChanges(
      [](const CheckpointFolder& folder) {
        FlipBit(folder, std::string(kAdapter) + "/adapter_model.safetensors",
                "base_model.model.backbone.layers.1.mixer.x_proj.lora_B.weight");
      },
      false, true);
}

TEST(ContentDigestTest, ChangesWithAConfigFieldThatChangesResults) {
  ExpectChanges(
      [](const CheckpointFolder& folder) {
        folder.SetField("config.json", "layer_norm_epsilon", 1e-6);
      },
      true, false);
  for (const auto& [field, value] : {std::pair<std::string, nlohmann::json>{"lora_alpha", 9},
                                     {"use_rslora", true},
                                     {"alpha_pattern", {{"x_proj", 3}}}}) {
    ExpectChanges(
        [&](const CheckpointFolder& folder) {
          folder.SetField(std::string(kAdapter) + "/adapter_config.json", field, value);
        },
        false, true);
  }
}

TEST(ContentDigestTest, TellsContentsApartThatOnlyDifferInWhereATextEnds) {
  const std::string bytes = "abcdefgh";
  const TensorMap one = {{"ab", {DataType::kFloat32, "F32", {2}, AsBytes(bytes)}}};
  const TensorMap other = {{"a", {DataType::kFloat32, "bF32", {2}, AsBytes(bytes)}}};
  EXPECT_NE(ContentDigest("d", {}, one), ContentDigest("d", {}, other));
  EXPECT_NE(ContentDigest("d", {}, one), ContentDigest("e", {}, one));
  const TensorMap reshaped = {{"ab", {DataType::kFloat32, "F32", {1, 2}, AsBytes(bytes)}}};
  EXPECT_NE(ContentDigest("d", {}, one), ContentDigest("d", {}, reshaped));
}

// The vectors below stand in docs/digests.md.
TEST(ContentDigestTest, GivesTheVectorOfASmallContent) {
  const std::string bytes = {'\x00', '\x00', '\x80', '\x3f', '\x00', '\x00', '\x00', '\xc0'};
  const TensorMap tensors = {{"w", {DataType::kFloat32, "F32", {1, 2}, AsBytes(bytes)}}};
  EXPECT_EQ(ContentDigest("example.v1", {{"b", 1}, {"a", 0.5}}, tensors),
            "11ec6564d4f486fdc3a4966b50517ca76bbb58a39127205f1b6520d90a4a9053");
  EXPECT_EQ(ContentDigest("example.v1", nlohmann::json::object(), {}),
            "05e504717f175e5fd7dd196e97b1362be4b4dade42c8f147fdfb8c0ab909e88a");
}

TEST(ContentDigestTest, GivesTheVectorsOfTheEmbeddedModelAndItsAdapters) {
  const std::string folder = std::string(SCANSERVE_SOURCE_DIR) + "/models/scanserve-6m";
  const auto model = LoadLanguageModel(folder, ops::MakePackedLinear);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->digest, "396934da6fe49ddfc0296cd628a77fd628888ab0a0809ec577c2357994d56627");
  EXPECT_EQ((*model)->tokenizer_digest,
            "fac8fc4cf8420c2b933e71b13674f93320baa2d9be72e4ad6e59b60f2710f50a");
  const auto adapter_digest = [&](const std::string& name) {
    const auto adapter =
        Adapter::Load(name, folder + "/adapters/" + name, (*model)->config, ops::MakePackedLinear);
    EXPECT_TRUE(adapter.ok()) << adapter.status();
    return (*adapter)->digest();
  };
  EXPECT_EQ(adapter_digest("kjv"),
            "e02e28e86a828039ad0e51bc7e1e9b4580d30b55d961584b658147beb4c83e18");
  EXPECT_EQ(adapter_digest("devil"),
            "14b2b566f346afd8047ecd37c2d8aeb78611b842f6b9e1508ac234a8653d08b9");
}

}  // namespace
}  // namespace scanserve::model
