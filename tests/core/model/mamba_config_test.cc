#include "core/model/mamba_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/model/generation_config.h"
#include "core/model/json_field.h"

namespace scanserve::model {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<MambaConfig> Read(nlohmann::json fields) {
  fields.emplace("model_type", "mamba");
  return MambaConfig::FromJson(fields.dump());
}

TEST(MambaConfigTest, FallsBackToTheDefaultsOfHuggingFace) {
  const auto config = Read(nlohmann::json::object());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->vocab_size, 50280);
  EXPECT_EQ(config->hidden_size, 768);
  EXPECT_EQ(config->num_layers, 32);
  EXPECT_EQ(config->state_size, 16);
  EXPECT_EQ(config->conv_kernel, 4);
  EXPECT_EQ(config->inner_size, 1536);
  EXPECT_EQ(config->time_step_rank, 48);
  EXPECT_EQ(config->norm_epsilon, 1e-5F);
  EXPECT_FALSE(config->use_bias);
  EXPECT_TRUE(config->use_conv_bias);
  EXPECT_TRUE(config->tie_word_embeddings);
}

TEST(MambaConfigTest, RoundsAnAutomaticTimeStepRankUp) {
  EXPECT_EQ(Read({{"hidden_size", 32}, {"time_step_rank", "auto"}})->time_step_rank, 2);
  EXPECT_EQ(Read({{"hidden_size", 33}, {"time_step_rank", "auto"}})->time_step_rank, 3);
  EXPECT_EQ(Read({{"hidden_size", 1}, {"time_step_rank", nullptr}})->time_step_rank, 1);
  EXPECT_EQ(Read({{"hidden_size", 32}, {"time_step_rank", 7}})->time_step_rank, 7);
}

TEST(MambaConfigTest, CutsAFractionalInnerSizeAndIgnoresTheIntermediateSize) {
  EXPECT_EQ(Read({{"hidden_size", 26}, {"expand", 1.5}})->inner_size, 39);
  EXPECT_EQ(Read({{"hidden_size", 25}, {"expand", 1.5}})->inner_size, 37);
  EXPECT_EQ(Read({{"hidden_size", 20}, {"expand", 3}, {"intermediate_size", 4096}})->inner_size,
            60);
}

TEST(MambaConfigTest, IgnoresFieldsThatChangeNothing) {
  EXPECT_TRUE(Read({{"rescale_prenorm_residual", false}, {"use_cache", 7}, {"x", "y"}}).ok());
  EXPECT_TRUE(Read({{"hidden_act", "silu"}, {"residual_in_fp32", false}}).ok());
}

struct BadConfig {
  nlohmann::json fields;
  std::string refusal;
};

TEST(MambaConfigTest, RefusesWhatItCannotServeByName) {
  const nlohmann::json deep_list = nlohmann::json::array({nlohmann::json::array({1})});
  const BadConfig bad_configs[] = {
      {{{"model_type", "mamba2"}}, "field model_type: \"mamba2\", expected \"mamba\""},
      {{{"model_type", 1}}, "field model_type: 1, expected a string"},
      {{{"model_type", nullptr}}, "field model_type: missing, expected \"mamba\""},
      {{{"hidden_act", "gelu"}}, "field hidden_act: \"gelu\", expected \"silu\""},
      {{{"hidden_size", 0}}, "field hidden_size: 0, expected an integer from 1 to 65536"},
      {{{"hidden_size", -256}}, "field hidden_size: -256"},
      {{{"hidden_size", 65537}}, "field hidden_size: 65537"},
      {{{"hidden_size", "256"}}, "field hidden_size: \"256\""},
      {{{"hidden_size", 256.0}}, "field hidden_size: 256.0"},
      {{{"hidden_size", deep_list}}, "field hidden_size: [[1]]"},
      {{{"num_hidden_layers", 1'000'000}}, "field num_hidden_layers: 1000000"},
      {{{"num_hidden_layers", 18446744073709551615U}}, "18446744073709551615"},
      {{{"vocab_size", 9223372036854775807}}, "field vocab_size: 9223372036854775807"},
      {{{"vocab_size", true}}, "field vocab_size: true"},
      {{{"state_size", 0}}, "field state_size: 0"},
      {{{"conv_kernel", 65}}, "field conv_kernel: 65, expected an integer from 1 to 64"},
      {{{"expand", 0}}, "field expand: 0, expected a number"},
      {{{"expand", -2}}, "field expand: -2"},
      {{{"expand", 1e30}}, "field expand: 1e+30"},
      {{{"expand", "2"}}, "field expand: \"2\""},
      {{{"expand", 0.01}, {"hidden_size", 8}}, "field expand: 0.01 of hidden_size 8"},
      {{{"time_step_rank", "other"}}, "field time_step_rank: \"other\""},
      {{{"time_step_rank", 0}}, "field time_step_rank: 0"},
      {{{"layer_norm_epsilon", -1e-5}}, "field layer_norm_epsilon: -1e-05"},
      {{{"layer_norm_epsilon", "small"}}, "field layer_norm_epsilon"},
      {{{"use_bias", 1}}, "field use_bias: 1, expected true or false"},
      {{{"use_conv_bias", "yes"}}, "field use_conv_bias: \"yes\""},
      {{{"tie_word_embeddings", 0}}, "field tie_word_embeddings: 0"},
      {{{"residual_in_fp32", "no"}}, "field residual_in_fp32: \"no\""},
  };
  for (const BadConfig& bad : bad_configs) {
    const auto config = Read(bad.fields);
    ASSERT_FALSE(config.ok()) << bad.fields;
    EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(config.status().message()), HasSubstr(bad.refusal));
  }
}

TEST(MambaConfigTest, RefusesTextThatIsNoJsonObject) {
  for (const std::string text : {"", "{", "[]", "null", "mamba", "{\"model_type\": \"mamba\",}"}) {
    const auto config = MambaConfig::FromJson(text);
    ASSERT_FALSE(config.ok()) << text;
    EXPECT_THAT(std::string(config.status().message()), HasSubstr("config.json: not"));
  }
}

TEST(MambaConfigTest, RefusesDeepNestingInsteadOfRecursingIntoIt) {
  const std::string deep = std::string(500'000, '[') + std::string(500'000, ']');
  const auto config = MambaConfig::FromJson(R"({"model_type":"mamba","vocab_size":)" + deep + "}");
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.status().message(), "config.json: nested deeper than 64 levels");
}

TEST(GenerationConfigTest, ReadsEndOfTextAsOneTokenOrAList) {
  EXPECT_EQ(GenerationConfig::FromJson(R"({"eos_token_id":7})")->eos_token_ids,
            std::vector<int32_t>{7});
  EXPECT_EQ(GenerationConfig::FromJson(R"({"eos_token_id":[7,9]})")->eos_token_ids,
            (std::vector<int32_t>{7, 9}));
  EXPECT_TRUE(GenerationConfig::FromJson("{}")->eos_token_ids.empty());
}

TEST(GenerationConfigTest, LeavesFieldsThatTheFileLacksWithoutValue) {
  const auto config = GenerationConfig::FromJson(R"({"temperature":0.8,"top_k":null,"x":[]})");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->temperature, 0.8F);
  EXPECT_FALSE(config->top_k.has_value());
  EXPECT_FALSE(config->do_sample.has_value());
}

TEST(GenerationConfigTest, RefusesValuesOfAnotherTypeOrRangeByName) {
  for (const std::string field :
       {R"("temperature":"hot")", R"("temperature":-1)", R"("top_p":1.5)", R"("top_k":-1)",
        R"("top_k":2.5)", R"("min_p":2)", R"("repetition_penalty":0)", R"("do_sample":1)",
        R"("max_new_tokens":0)", R"("eos_token_id":-1)", R"("eos_token_id":[0,"1"])",
        R"("eos_token_id":4294967296)", R"("suppress_tokens":{"a":1})"}) {
    const auto config = GenerationConfig::FromJson("{" + field + "}");
    ASSERT_FALSE(config.ok()) << field;
    const std::string name = field.substr(1, field.find(':') - 2);
    EXPECT_THAT(std::string(config.status().message()), HasSubstr("field " + name));
  }
}

}  // namespace
}  // namespace scanserve::model
