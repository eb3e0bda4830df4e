// What adapter_config.json says of single modules, and how much it may say.
#include "core/model/adapter_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/core/model/largest_allocation.h"

namespace scanserve::model {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kModule = "backbone.layers.3.mixer.in_proj";

nlohmann::ordered_json Lora(const char* field, nlohmann::ordered_json value) {
  return {{"peft_type", "LORA"}, {"r", 4}, {"lora_alpha", 8}, {field, std::move(value)}};
}

AdapterConfig Read(nlohmann::ordered_json fields) {
  fields["peft_type"] = "LORA";
  const auto config = AdapterConfig::FromJson(fields.dump());
  EXPECT_TRUE(config.ok()) << config.status();
  return *config;
}

std::string Refusal(absl::string_view text) {
  const auto config = AdapterConfig::FromJson(text);
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(config.status().message());
}

std::string Refusal(const char* field, nlohmann::ordered_json value) {
  return Refusal(Lora(field, std::move(value)).dump());
}

std::string ModuleName(int i) { return "backbone.layers." + std::to_string(i) + ".mixer.in_proj"; }

nlohmann::ordered_json Values(int count, const std::function<std::string(int)>& key) {
  auto values = nlohmann::ordered_json::object();
  for (int i = 0; i < count; ++i) values[key(i)] = 1 + i % 256;
  return values;
}

nlohmann::ordered_json Names(int count) {
  auto names = nlohmann::ordered_json::array();
  for (int i = 0; i < count; ++i) names.push_back(ModuleName(i));
  return names;
}

std::string Repeated(const std::string& part, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += part;
  return text;
}

TEST(AdapterConfigTest, ScalesByAlphaOverTheRankOrItsRoot) {
  const auto scale = [](const AdapterConfig& config) {
    return config.ScaleOf(kModule, config.RankOf(kModule));
  };
  EXPECT_EQ(scale(Read({{"r", 4}, {"lora_alpha", 8}})), 2);
  EXPECT_EQ(scale(Read({{"r", 4}, {"lora_alpha", 8}, {"use_rslora", true}})), 4);
  EXPECT_EQ(scale(Read({{"r", 4}, {"lora_alpha", 8}, {"rank_pattern", {{"in_proj", 16}}}})), 0.5);
  EXPECT_EQ(scale(Read({{"alpha_pattern", {{"n_proj", 100}, {"layers.3.mixer.in_proj", 24}}}})), 3);
}

TEST(AdapterConfigTest, TakesTheFirstPatternOfTheFileThatMatches) {
  EXPECT_EQ(Read(Lora("rank_pattern", {{"x", 1}, {"in_proj", 2}, {".*", 3}})).RankOf(kModule), 2);
  EXPECT_EQ(Read(Lora("rank_pattern", {{"x", 1}, {".*", 3}, {"in_proj", 2}})).RankOf(kModule), 3);
}

TEST(AdapterConfigTest, WritesPatternsInTheOrderOfTheFileForTheDigest) {
  auto fields = Lora("rank_pattern", {{"x", 1}, {"in_proj", 2}});
  fields["alpha_pattern"] = {{".*", 3}};
  EXPECT_EQ(Read(fields).CanonicalFields().dump(),
            R"({"alpha_pattern":[[".*",3.0]],"lora_alpha":8.0,"r":4,)"
            R"("rank_pattern":[["x",1],["in_proj",2]],"use_rslora":false})");
}

TEST(AdapterConfigTest, MatchesThePatternsOfRanksWithTheEndOfANameFromADotOn) {
  for (const std::string pattern : {"in_proj", "mixer.in_proj", "backbone.layers.3.mixer.in_proj",
                                    "x|in_proj", "layers\\.[0-9]+\\..*", "3.mixer.(in|x)_proj"}) {
    EXPECT_EQ(Read(Lora("rank_pattern", {{pattern, 7}})).RankOf(kModule), 7) << pattern;
  }
  for (const std::string pattern : {"n_proj", "ixer.in_proj", "mixer", "in_pro", "^in_proj", ""}) {
    EXPECT_EQ(Read(Lora("rank_pattern", {{pattern, 7}})).RankOf(kModule), 4) << pattern;
  }
}

TEST(AdapterConfigTest, RefusesAPatternThatIsOneOnlyBetweenParentheses) {
  EXPECT_THAT(Refusal("rank_pattern", {{"in)_(proj", 7}}),
              StartsWith("field rank_pattern: \"in)_(proj\" is not a regular expression: "));
}

TEST(AdapterConfigTest, SelectsByNamesOrByOneExpressionForTheWholeName) {
  EXPECT_TRUE(Read(Lora("target_modules", {"in_proj"})).Targets(kModule, 3));
  EXPECT_FALSE(Read(Lora("target_modules", {".*in_proj"})).Targets(kModule, 3));
  EXPECT_TRUE(Read(Lora("target_modules", ".*in_proj")).Targets(kModule, 3));
  EXPECT_FALSE(Read(Lora("target_modules", "in_proj")).Targets(kModule, 3));
  EXPECT_FALSE(Read(Lora("target_modules", "")).Targets(kModule, 3));
  EXPECT_TRUE(Read(Lora("target_modules", nlohmann::json::array())).Targets(kModule, 3));
}

// The greatest of each, in one config.
TEST(AdapterConfigTest, ReadsAConfigAtItsLimits) {
  auto fields = Lora("rank_pattern", Values(1'024, [](int i) { return ModuleName(i); }));
  fields["target_modules"] = Names(1'024);
  fields["exclude_modules"] = {std::string(1'024, 'x')};
  const AdapterConfig config = Read(fields);
  EXPECT_EQ(config.rank_pattern.size(), 1'024U);
  EXPECT_EQ(config.RankOf(ModuleName(1'023)), 256);
  EXPECT_EQ(config.RankOf(ModuleName(1'024)), 4);
  EXPECT_TRUE(config.Targets(ModuleName(1'023), 0));
  EXPECT_FALSE(config.Targets(ModuleName(1'024), 0));
}

// An expression that is compiled allocates.
TEST(AdapterConfigTest, CompilesNothingWhenModulesAreLookedUp) {
  auto fields = Lora("rank_pattern", Values(100, [](int i) { return ModuleName(i); }));
  fields["alpha_pattern"] = {{"x_proj", 1}, {".*_proj", 2}};
  fields["target_modules"] = ".*_proj";
  const AdapterConfig config = Read(fields);
  const std::string module = ModuleName(99);
  const auto look_up = [&] {
    return config.Targets(module, 0) && config.RankOf(module) == 100 &&
           config.ScaleOf(module, 100) == 0.02;
  };
  // RE2 builds its automata as names come.
  EXPECT_TRUE(look_up());
  ResetLargestAllocation();
  EXPECT_TRUE(look_up());
  EXPECT_EQ(LargestAllocation(), 0U);
}

TEST(AdapterConfigTest, RefusesMoreEntriesThanItsLimit) {
  for (const char* field : {"rank_pattern", "alpha_pattern"}) {
    EXPECT_EQ(Refusal(field, Values(1'025, [](int i) { return "a" + std::to_string(i); })),
              std::string("field ") + field + ": 1025 entries, expected up to 1024");
  }
  for (const char* field : {"target_modules", "exclude_modules"}) {
    EXPECT_EQ(Refusal(field, Names(1'025)),
              std::string("field ") + field + ": 1025 entries, expected up to 1024");
  }
}

TEST(AdapterConfigTest, RefusesALongEntryByItsName) {
  const std::string entry = "longer" + std::string(1'019, 'r');
  const std::string end = "...: 1025 bytes, expected up to 1024";
  for (const char* field : {"rank_pattern", "alpha_pattern"}) {
    const std::string refusal = Refusal(field, {{entry, 1}});
    EXPECT_THAT(refusal, StartsWith(std::string("field ") + field + ": \"longerr"));
    EXPECT_THAT(refusal, EndsWith(end));
  }
  for (const char* field : {"target_modules", "exclude_modules"}) {
    EXPECT_THAT(Refusal(field, entry), EndsWith(end));
    EXPECT_THAT(Refusal(field, nlohmann::json::array({entry})), EndsWith(end));
  }
}

TEST(AdapterConfigTest, RefusesMorePatternTextThanItsLimit) {
  const auto key = [](int i) { return std::to_string(1'000 + i) + std::string(1'020, 'x'); };
  auto fields = Lora("rank_pattern", Values(32, key));
  fields["alpha_pattern"] = Values(32, key);
  Read(fields);
  fields["target_modules"] = "x";
  EXPECT_EQ(Refusal(fields.dump()),
            "field target_modules: \"x\": the regular expressions up to it have 65537 bytes, "
            "expected up to 65536");
}

TEST(AdapterConfigTest, RefusesAPatternThatStandsForALargeProgram) {
  const std::string end = " needs more than the 131072 bytes of memory that a pattern may take";
  EXPECT_EQ(Refusal("rank_pattern", {{"\\pL{100}|17", 8}}),
            "field rank_pattern: \"\\\\pL{100}|17\"" + end);
  EXPECT_EQ(Refusal("target_modules", "(a?){1000}.{1000}"),
            "field target_modules: \"(a?){1000}.{1000}\"" + end);
}

TEST(AdapterConfigTest, RefusesPatternsThatStandForALargeProgramTogether) {
  // A thousand instructions each.
  const std::string optional = Repeated(".?", 100);
  const std::string refusal =
      Refusal("alpha_pattern", Values(200, [&](int i) { return std::to_string(i) + optional; }));
  EXPECT_THAT(refusal, HasSubstr(": the regular expressions up to it take 131"));
  EXPECT_THAT(refusal, EndsWith(" instructions of RE2, expected up to 131072"));
}

// To look keys up in the order of the file takes time that grows with the square of their number.
TEST(AdapterConfigTest, RefusesMoreKeysThanItsFieldsMayHave) {
  const auto key = [](int i) { return "key" + std::to_string(i); };
  EXPECT_EQ(Refusal("task_type", Values(5'000, key)),
            "5004 fields and entries, expected up to 4096");
  const std::string hidden = "{\"rank_pattern\":" + Values(5'000, key).dump() + ",";
  EXPECT_EQ(Refusal(hidden + "\"peft_type\":\"LORA\",\"rank_pattern\":{\"in_proj\":8}}"),
            "5004 fields and entries, expected up to 4096");
}

}  // namespace
}  // namespace scanserve::model
