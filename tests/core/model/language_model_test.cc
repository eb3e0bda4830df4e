// Damaged checkpoint folders: each is refused with a sentence that names what is wrong.
#include "core/model/language_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/model/checkpoint.h"
#include "core/model/mixer_shapes.h"
#include "tests/core/model/checkpoint_folder.h"

namespace scanserve::model {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kTensors = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kDtProj = "backbone.layers.1.mixer.dt_proj.weight";

std::string Refusal(const CheckpointFolder& folder) {
  const auto model = folder.Load();
  EXPECT_FALSE(model.ok());
  return model.ok() ? "" : std::string(model.status().message());
}

TEST(LanguageModelTest, LoadsACopyOfEachGoldenCheckpoint) {
  for (const char* name : {"odd_vocabulary", "sharded", "original_naming", "short_convolution"}) {
    const CheckpointFolder folder(name);
    EXPECT_TRUE(folder.Load().ok()) << folder.Load().status();
  }
}

TEST(LanguageModelTest, NamesATensorThatIsMissing) {
  const CheckpointFolder folder("odd_vocabulary");
  StoredTensors tensors = folder.ReadTensors(kTensors);
  tensors.erase(kDtProj);
  folder.WriteTensors(kTensors, tensors);
  EXPECT_THAT(Refusal(folder),
              EndsWith("tensor backbone.layers.1.mixer.dt_proj.weight: missing, expected shape "
                       "[64, 2]"));
}

TEST(LanguageModelTest, NamesATensorOfAnotherShapeWithBothShapes) {
  const CheckpointFolder folder("odd_vocabulary");
  StoredTensors tensors = folder.ReadTensors(kTensors);
  tensors[kDtProj].shape = {2, 64};
  folder.WriteTensors(kTensors, tensors);
  EXPECT_THAT(Refusal(folder), EndsWith("tensor backbone.layers.1.mixer.dt_proj.weight: shape "
                                        "[2, 64], expected [64, 2]"));
}

TEST(LanguageModelTest, SaysShapesAsTheContractSpellsThem) {
  const std::string bytes(size_t{16} * 512 * 4, '\0');
  const TensorView tensor = {DataType::kFloat32, "F32", {16, 512}, AsBytes(bytes)};
  EXPECT_EQ(CheckTensor("backbone.layers.3.mixer.dt_proj.weight", tensor, {512, 16}).message(),
            "tensor backbone.layers.3.mixer.dt_proj.weight: shape [16, 512], expected [512, 16]");
}

TEST(LanguageModelTest, NamesATensorThatTheModelDoesNotHave) {
  for (const char* name : {"backbone.layers.3.norm.weight", "backbone.layers.1.mixer.extra",
                           "backbone.layers.1.mixer.in_proj.bias", "backbone.embedding.weight"}) {
    const CheckpointFolder folder("odd_vocabulary");
    StoredTensors tensors = folder.ReadTensors(kTensors);
    tensors[name] = ZeroTensor({97, 32});
    folder.WriteTensors(kTensors, tensors);
    EXPECT_THAT(Refusal(folder),
                EndsWith(absl::StrCat("tensor ", name, ": not part of this model")));
  }
}

TEST(LanguageModelTest, NamesATensorOfIntegers) {
  const CheckpointFolder folder("odd_vocabulary");
  StoredTensors tensors = folder.ReadTensors(kTensors);
  tensors["backbone.norm_f.weight"].type = "I16";
  folder.WriteTensors(kTensors, tensors);
  EXPECT_THAT(Refusal(folder),
              EndsWith("tensor backbone.norm_f.weight: dtype I16, expected F32, BF16 or F16"));
}

TEST(LanguageModelTest, AcceptsASpareHeadOfATiedModelOnlyInItsShape) {
  const CheckpointFolder folder("odd_vocabulary");
  StoredTensors tensors = folder.ReadTensors(kTensors);
  tensors["lm_head.weight"] = tensors["backbone.embeddings.weight"];
  folder.WriteTensors(kTensors, tensors);
  EXPECT_TRUE(folder.Load().ok());
  tensors["lm_head.weight"] = ZeroTensor({97, 31});
  folder.WriteTensors(kTensors, tensors);
  EXPECT_THAT(Refusal(folder),
              EndsWith("tensor lm_head.weight: shape [97, 31], expected [97, 32]"));
}

TEST(LanguageModelTest, NamesTheFileThatIsMissingOrDamaged) {
  for (const char* file : {"config.json", "tokenizer.json", kTensors, "generation_config.json"}) {
    const CheckpointFolder folder("odd_vocabulary");
    const std::string content = folder.Read(file);
    folder.Write(file, content.substr(0, content.size() / 2));
    EXPECT_THAT(Refusal(folder), HasSubstr(file)) << file;
    folder.Write(file, "");
    EXPECT_THAT(Refusal(folder), HasSubstr(file)) << file;
    if (std::string(file) == "generation_config.json") continue;
    folder.Remove(file);
    const auto model = folder.Load();
    EXPECT_EQ(model.status().code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(std::string(model.status().message()), HasSubstr(file));
  }
}

TEST(LanguageModelTest, LoadsWithoutAGenerationConfig) {
  const CheckpointFolder folder("odd_vocabulary");
  folder.Remove("generation_config.json");
  const auto model = folder.Load();
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->generation.eos_token_ids, std::vector<int32_t>{0});
}

TEST(LanguageModelTest, RefusesEndOfTextBeyondTheVocabulary) {
  const CheckpointFolder folder("odd_vocabulary");
  folder.SetField("generation_config.json", "eos_token_id", 97);
  EXPECT_THAT(Refusal(folder), HasSubstr("eos_token_id: token 97, the model has 97 tokens"));
}

TEST(LanguageModelTest, RefusesATokenizerWithMoreTokensThanTheModel) {
  const CheckpointFolder folder("odd_vocabulary");
  folder.SetField("config.json", "vocab_size", 95);
  EXPECT_THAT(Refusal(folder), HasSubstr("tokenizer.json: 96 tokens, the model has 95"));
}

TEST(LanguageModelTest, RefusesAnIndexThatNamesAFileThatIsNotThere) {
  const CheckpointFolder folder("sharded");
  folder.Remove("model-00002-of-00003.safetensors");
  EXPECT_THAT(Refusal(folder), HasSubstr("model-00002-of-00003.safetensors"));
}

TEST(LanguageModelTest, RefusesAnIndexThatNamesATensorThatNoFileHolds) {
  const CheckpointFolder folder("sharded");
  nlohmann::json index = folder.ReadJson(kIndex);
  index["weight_map"]["backbone.extra"] = "model-00001-of-00003.safetensors";
  folder.Write(kIndex, index.dump());
  EXPECT_THAT(Refusal(folder), HasSubstr("index.json: tensor backbone.extra is not in file "
                                         "\"model-00001-of-00003.safetensors\""));
}

TEST(LanguageModelTest, RefusesAnIndexThatLeadsOutOfItsFolder) {
  for (const nlohmann::json& shard :
       {nlohmann::json("../other/model.safetensors"), nlohmann::json("/etc/passwd"),
        nlohmann::json(""), nlohmann::json(7), nlohmann::json("..")}) {
    const CheckpointFolder folder("sharded");
    nlohmann::json index = folder.ReadJson(kIndex);
    index["weight_map"]["backbone.norm_f.weight"] = shard;
    folder.Write(kIndex, index.dump());
    EXPECT_FALSE(Refusal(folder).empty()) << shard;
  }
}

TEST(LanguageModelTest, RefusesADamagedOrMissingIndex) {
  const CheckpointFolder folder("sharded");
  for (const std::string content : {"", "{", "[]", "{}", R"({"weight_map":[]})"}) {
    folder.Write(kIndex, content);
    EXPECT_THAT(Refusal(folder), StartsWith(folder.path() + "/" + kIndex)) << content;
  }
  folder.Remove(kIndex);
  EXPECT_THAT(Refusal(folder), HasSubstr("model.safetensors"));
}

TEST(LanguageModelTest, RefusesATensorThatStandsInTwoShards) {
  const CheckpointFolder folder("sharded");
  StoredTensors tensors = folder.ReadTensors("model-00003-of-00003.safetensors");
  const StoredTensors first = folder.ReadTensors("model-00001-of-00003.safetensors");
  tensors.insert(*first.begin());
  folder.WriteTensors("model-00003-of-00003.safetensors", tensors);
  EXPECT_THAT(Refusal(folder),
              HasSubstr("tensor " + first.begin()->first + " stands in another file too"));
}

TEST(LanguageModelTest, TakesNoMemoryForChannelsThatNoTensorHas) {
  // Scan weights of 16 GiB a layer, if the config were right.
  MambaConfig config;
  config.vocab_size = 1;
  config.hidden_size = 1 << 16;
  config.num_layers = 1;
  config.inner_size = int64_t{64} << 16;
  config.state_size = 1 << 10;
  config.time_step_rank = 1;
  const CheckpointFolder folder;
  folder.WriteTensors(kTensors, {{"backbone.embeddings.weight", ZeroTensor({1, 1 << 16})},
                                 {"backbone.norm_f.weight", ZeroTensor({1 << 16})},
                                 {"backbone.layers.0.norm.weight", ZeroTensor({1 << 16})}});
  const auto checkpoint = Checkpoint::Open(folder.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const auto network = Mamba::Create(config, *checkpoint, ops::MakePackedLinear);
  ASSERT_FALSE(network.ok());
  EXPECT_EQ(network.status().message(),
            "tensor backbone.layers.0.mixer.conv1d.weight: missing, expected shape [4194304, 1, "
            "4]");
}

TEST(LanguageModelTest, CountsEveryParameterOfACheckpointOnce) {
  for (const char* name : {"odd_vocabulary", "sharded", "odd_inner", "short_convolution",
                           "wide_state", "fractional_expand", "original_naming"}) {
    const std::string path = CheckpointFolder::GoldenFolder(name);
    const auto model = LoadLanguageModel(path, ops::MakePackedLinear);
    const auto checkpoint = Checkpoint::Open(path);
    ASSERT_TRUE(model.ok() && checkpoint.ok()) << name;
    int64_t stored = 0;
    for (const auto& [tensor_name, tensor] : checkpoint->tensors()) {
      // A tied checkpoint may carry a copy of the embedding.
      if (tensor_name == "lm_head.weight" && (*model)->config.tie_word_embeddings) continue;
      stored += tensor.size();
    }
    EXPECT_EQ((*model)->parameters, stored) << name;
  }
}

}  // namespace
}  // namespace scanserve::model
