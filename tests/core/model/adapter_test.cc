// Adapters that this program does not apply as PEFT would: each is refused by name.
#include "core/model/adapter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/model/mamba.h"
#include "core/model/mixer_shapes.h"
#include "tests/core/model/checkpoint_folder.h"

namespace scanserve::model {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kConfig = "adapter_config.json";
constexpr const char* kTensors = "adapter_model.safetensors";
constexpr const char* kPrefix = "base_model.model.backbone.layers.";

MambaConfig ModelConfig(const std::string& checkpoint) {
  const CheckpointFolder folder(checkpoint);
  return *MambaConfig::FromJson(folder.Read("config.json"));
}

// r = 4 on all four products of three layers.
class AdapterTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::shared_ptr<const Adapter>> Load() const {
    return Adapter::Load("tested", folder_.path(), config_, ops::MakePackedLinear);
  }
  std::string Refusal() const {
    const auto adapter = Load();
    EXPECT_FALSE(adapter.ok());
    if (adapter.ok()) return "";
    EXPECT_EQ(adapter.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(adapter.status().message());
  }
  void SetField(const std::string& field, const nlohmann::json& value) const {
    folder_.SetField(kConfig, field, value);
  }
  static std::string Key(int layer, const std::string& module, const std::string& half) {
    return kPrefix + std::to_string(layer) + ".mixer." + module + "." + half + ".weight";
  }

  const MambaConfig config_ = ModelConfig("odd_vocabulary");
  const CheckpointFolder folder_{"odd_vocabulary/adapters/all_modules"};
};

TEST_F(AdapterTest, ReportsWhatItCovers) {
  const auto adapter = Load();
  ASSERT_TRUE(adapter.ok()) << adapter.status();
  EXPECT_EQ((*adapter)->name(), "tested");
  EXPECT_EQ((*adapter)->max_rank(), 4);
  EXPECT_EQ((*adapter)->modules_matched(), 12);
  EXPECT_EQ((*adapter)->target_modules(),
            (std::vector<std::string>{"dt_proj", "in_proj", "out_proj", "x_proj"}));
  EXPECT_EQ((*adapter)->trainable_parameters(),
            3 * 4 * ((32 + 128) + (64 + 18) + (2 + 64) + (64 + 32)));
}

TEST_F(AdapterTest, IsTheSameAdapterWhenMergedWithTheMemoryOfItsWeights) {
  const auto adapter = Load();
  ASSERT_TRUE(adapter.ok()) << adapter.status();
  const auto model = CheckpointFolder("odd_vocabulary").Load();
  ASSERT_TRUE(model.ok()) << model.status();
  const Mamba& network = *(*model)->network;
  const auto merged = (*adapter)->Merge(network, ops::MakePackedLinear);
  EXPECT_FALSE((*adapter)->merged());
  EXPECT_TRUE(merged->merged());
  EXPECT_EQ(merged->name(), "tested");
  EXPECT_EQ(merged->digest(), (*adapter)->digest());
  EXPECT_EQ(merged->trainable_parameters(), (*adapter)->trainable_parameters());
  int64_t bytes = 0;
  for (int64_t layer = 0; layer < config_.num_layers; ++layer) {
    for (int i = 0; i < kModules; ++i) {
      EXPECT_EQ(merged->pair(layer, static_cast<Module>(i)).a, nullptr);
      bytes += network.product(layer, static_cast<Module>(i)).weight_bytes();
    }
  }
  EXPECT_EQ(merged->memory_bytes(), bytes);
}

struct BadField {
  std::string field;
  nlohmann::json value;
};

std::vector<BadField> BadFields() {
  return {{"use_dora", true},
          {"modules_to_save", {"lm_head"}},
          {"peft_type", "IA3"},
          {"peft_type", "ADALORA"},
          {"peft_type", nullptr},
          {"peft_type", 1},
          {"bias", "lora_only"},
          {"bias", "all"},
          {"bias", true},
          {"init_lora_weights", "pissa"},
          {"init_lora_weights", "olora"},
          {"init_lora_weights", "loftq"},
          {"init_lora_weights", 1},
          {"lora_alpha", "16"},
          {"lora_alpha", {16}},
          {"lora_alpha", -1},
          {"r", 0},
          {"r", -4},
          {"r", 257},
          {"r", 4.0},
          {"r", "4"},
          {"use_rslora", "yes"},
          {"rank_pattern", {{"in_proj", 0}}},
          {"rank_pattern", {{"in_proj", 300}}},
          {"rank_pattern", {{"in_proj(", 4}}},
          {"rank_pattern", {1, 2}},
          {"alpha_pattern", {{"in_proj", "a"}}},
          {"alpha_pattern", {{"in_proj", 1e300}}},
          {"target_modules", 3},
          {"target_modules", {1, 2}},
          {"target_modules", "("},
          {"exclude_modules", {{"a", 1}}},
          {"layers_to_transform", {-1}},
          {"layers_to_transform", "0"},
          {"layers_pattern", "h"},
          {"fan_in_fan_out", true},
          {"lora_bias", true},
          {"layer_replication", {{0, 2}}},
          {"target_parameters", {"mixer.A_log"}},
          {"trainable_token_indices", {1}},
          {"alora_invocation_tokens", {1}},
          {"a_field_of_tomorrow", 7}};
}

TEST_F(AdapterTest, NamesAFieldThatItDoesNotApplyWithItsFile) {
  const std::string good = folder_.Read(kConfig);
  for (const BadField& bad : BadFields()) {
    SCOPED_TRACE(bad.value.dump());
    SetField(bad.field, bad.value);
    const std::string refusal = Refusal();
    EXPECT_THAT(refusal, HasSubstr("field " + bad.field + ": "));
    EXPECT_THAT(refusal, StartsWith(folder_.path() + "/" + kConfig));
    folder_.Write(kConfig, good);
  }
}

TEST_F(AdapterTest, AcceptsUnknownFieldsAtTheirDefaults) {
  SetField("a_field_of_tomorrow", nullptr);
  SetField("another", false);
  SetField("a_list", nlohmann::json::array());
  SetField("an_object", nlohmann::json::object());
  SetField("lora_dropout", 0.1);
  SetField("init_lora_weights", "gaussian");
  EXPECT_TRUE(Load().ok()) << Load().status();
}

TEST_F(AdapterTest, RefusesAConfigThatIsNoJsonObject) {
  for (const std::string content : {"", "{", "[]", "null", "{\"r\": 4"}) {
    folder_.Write(kConfig, content);
    EXPECT_THAT(Refusal(), StartsWith(folder_.path() + "/" + kConfig)) << content;
  }
  folder_.Write(kConfig, R"({"peft_type":"LORA","target_modules":)" + std::string(400'000, '[') +
                             std::string(400'000, ']') + "}");
  EXPECT_THAT(Refusal(), HasSubstr("deeper than 64"));
}

TEST_F(AdapterTest, NamesAFileThatIsMissing) {
  folder_.Remove(kTensors);
  EXPECT_EQ(Load().status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(Load().status().message()), HasSubstr(kTensors));
  folder_.Remove(kConfig);
  EXPECT_THAT(std::string(Load().status().message()), HasSubstr(kConfig));
}

TEST_F(AdapterTest, RefusesTensorsCutAnywhere) {
  const std::string whole = folder_.Read(kTensors);
  for (size_t length = 0; length < whole.size(); length += whole.size() / 61) {
    folder_.Write(kTensors, whole.substr(0, length));
    EXPECT_THAT(Refusal(), StartsWith(folder_.path() + "/" + kTensors)) << length;
  }
}

TEST_F(AdapterTest, RefusesAHeaderThatNoAdapterNeeds) {
  folder_.Write(kTensors, WithHeader("{}" + std::string(4 << 20, ' '), ""));
  EXPECT_THAT(Refusal(), EndsWith("header of 4194306 bytes, at most 4194304 fit"));
}

TEST_F(AdapterTest, NamesAModuleWithOneHalfOfItsPair) {
  for (const std::string half : {"lora_A", "lora_B"}) {
    StoredTensors tensors = folder_.ReadTensors(kTensors);
    StoredTensors without = tensors;
    ASSERT_EQ(without.erase(Key(1, "x_proj", half)), 1U);
    folder_.WriteTensors(kTensors, without);
    EXPECT_THAT(Refusal(),
                EndsWith("backbone.layers.1.mixer.x_proj: no " + half + " beside the other"));
    folder_.WriteTensors(kTensors, tensors);
  }
}

TEST_F(AdapterTest, NamesAKeyThatMatchesNothing) {
  for (const std::string& key :
       {std::string("base_model.model.lm_head.lora_A.weight"), Key(3, "in_proj", "lora_A"),
        Key(-1, "in_proj", "lora_A"), Key(0, "conv1d", "lora_A"), Key(0, "in_proj", "lora_C"),
        std::string(kPrefix) + "01.mixer.in_proj.lora_A.weight",
        std::string(kPrefix) + "99999999999999999999.mixer.in_proj.lora_A.weight",
        std::string(kPrefix) + "0.mixer.in_proj.lora_magnitude_vector"}) {
    const StoredTensors tensors = folder_.ReadTensors(kTensors);
    StoredTensors extended = tensors;
    extended[key] = ZeroTensor({4, 32});
    folder_.WriteTensors(kTensors, extended);
    EXPECT_THAT(Refusal(), EndsWith("tensor " + key + ": matches no module of this model"));
    folder_.WriteTensors(kTensors, tensors);
  }
}

TEST_F(AdapterTest, RefusesTwoKeysForOnePlace) {
  StoredTensors tensors = folder_.ReadTensors(kTensors);
  const std::string key = Key(0, "in_proj", "lora_A");
  tensors[key.substr(std::string("base_model.model.").size())] = tensors[key];
  folder_.WriteTensors(kTensors, tensors);
  EXPECT_THAT(Refusal(), EndsWith("another key names the same place"));
}

TEST_F(AdapterTest, NamesATensorOfAnotherShapeOrType) {
  const StoredTensors tensors = folder_.ReadTensors(kTensors);
  const std::string key = Key(2, "dt_proj", "lora_B");
  StoredTensors damaged = tensors;
  damaged[key] = ZeroTensor({4, 64});
  folder_.WriteTensors(kTensors, damaged);
  EXPECT_THAT(Refusal(), EndsWith("tensor " + key + ": shape [4, 64], expected [64, 4]"));
  damaged[key] = {"I32", {64, 4}, ZeroTensor({64, 4}).bytes};
  folder_.WriteTensors(kTensors, damaged);
  EXPECT_THAT(Refusal(), EndsWith("dtype I32, expected F32, BF16 or F16"));
}

TEST_F(AdapterTest, RefusesTensorsOfAnotherRankThanTheConfigs) {
  SetField("r", 5);
  EXPECT_THAT(Refusal(), HasSubstr("shape [4, 2], expected [5, 2]"));
}

TEST_F(AdapterTest, RefusesKeysThatTheConfigDoesNotTarget) {
  SetField("target_modules", {"in_proj", "x_proj", "out_proj"});
  EXPECT_THAT(Refusal(), EndsWith("dt_proj.lora_A.weight: adapter_config.json does not target its "
                                  "module"));
  SetField("target_modules", ".*\\.(in_proj|x_proj)");
  EXPECT_THAT(Refusal(), HasSubstr("does not target its module"));
  SetField("target_modules", nullptr);
  SetField("exclude_modules", {"x_proj"});
  EXPECT_THAT(Refusal(), HasSubstr("x_proj.lora_A.weight: adapter_config.json does not target"));
}

TEST_F(AdapterTest, RefusesTargetsThatHaveNoTensors) {
  StoredTensors tensors = folder_.ReadTensors(kTensors);
  tensors.erase(Key(1, "x_proj", "lora_A"));
  tensors.erase(Key(1, "x_proj", "lora_B"));
  folder_.WriteTensors(kTensors, tensors);
  EXPECT_THAT(Refusal(), EndsWith("backbone.layers.1.mixer.x_proj: targeted by "
                                  "adapter_config.json, but has no tensors"));
  folder_.WriteTensors(kTensors, {});
  EXPECT_THAT(Refusal(), EndsWith("the adapter changes no module"));
}

TEST_F(AdapterTest, RefusesLayersThatDisagreeWithTheKeysEitherWay) {
  SetField("layers_to_transform", {0, 2});
  EXPECT_THAT(Refusal(), HasSubstr("layers.1.mixer.dt_proj.lora_A.weight: adapter_config.json does "
                                   "not target its module"));
  StoredTensors tensors = folder_.ReadTensors(kTensors);
  std::erase_if(tensors, [](const auto& entry) {
    return entry.first.starts_with(std::string(kPrefix) + "1.");
  });
  folder_.WriteTensors(kTensors, tensors);
  ASSERT_TRUE(Load().ok()) << Load().status();
  EXPECT_EQ((*Load())->modules_matched(), 8);
  SetField("layers_to_transform", {0, 1, 2});
  EXPECT_THAT(Refusal(), EndsWith("has no tensors"));
}

TEST(CoverageTest, IsTheLineThatPeftPrintsFor32LayersOf768) {
  const auto config =
      MambaConfig::FromJson(R"({"model_type":"mamba","vocab_size":50277,"hidden_size":768})");
  ASSERT_TRUE(config.ok());
  StoredTensors tensors;
  for (int layer = 0; layer < config->num_layers; ++layer) {
    for (int i = 0; i < kModules; ++i) {
      const auto module = static_cast<Module>(i);
      const ops::LinearShape shape = StoredShape(*config, module);
      const std::string key = kPrefix + std::to_string(layer) + ".mixer." + ModuleName(module);
      tensors[key + ".lora_A.weight"] = ZeroTensor({8, shape.in_features});
      tensors[key + ".lora_B.weight"] = ZeroTensor({shape.out_features, 8});
    }
  }
  const CheckpointFolder folder;
  folder.Write(kConfig, R"({"peft_type":"LORA","r":8,"target_modules":
                           ["in_proj","x_proj","dt_proj","out_proj"]})");
  folder.WriteTensors(kTensors, tensors);
  const auto adapter = Adapter::Load("wide", folder.path(), *config, ops::MakePackedLinear);
  ASSERT_TRUE(adapter.ok()) << adapter.status();
  EXPECT_EQ(CoverageLine((*adapter)->trainable_parameters(), ParameterCount(*config)),
            "trainable params: 2,392,064 || all params: 161,698,304 || trainable%: 1.4793");
}

}  // namespace
}  // namespace scanserve::model
