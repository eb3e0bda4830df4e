// What is drawn under each rule against the distribution that Hugging Face's processors leave.
#include <gtest/gtest.h>

#include <cmath>

#include "core/runtime/sampler.h"
#include "tests/core/runtime/chi_squared.h"
#include "tests/core/runtime/golden_files.h"

namespace scanserve::runtime {
namespace {

SamplingParameters ParametersOf(const nlohmann::json& rules) {
  SamplingParameters parameters;
  parameters.temperature = rules.value("temperature", 1.0F);
  parameters.top_k = rules.value("top_k", 0);
  parameters.top_p = rules.value("top_p", 1.0F);
  parameters.min_p = rules.value("min_p", 0.0F);
  parameters.repetition_penalty = rules.value("repetition_penalty", 1.0F);
  parameters.presence_penalty = rules.value("presence_penalty", 0.0F);
  parameters.frequency_penalty = rules.value("frequency_penalty", 0.0F);
  if (rules.contains("suppress_tokens")) {
    parameters.suppressed_tokens = rules["suppress_tokens"].get<std::vector<int32_t>>();
  }
  if (rules.contains("logit_bias")) {
    for (const auto& [token, bias] : rules["logit_bias"].items()) {
      parameters.logit_bias.emplace_back(std::stoi(token), bias.get<float>());
    }
  }
  return parameters;
}

// The token drawn from `logits` after `answer`, whose tokens are made to win by far.
int32_t DrawAfter(const SamplingParameters& parameters, const std::vector<int32_t>& prompt,
                  const std::vector<int32_t>& answer, const std::vector<float>& logits) {
  const std::vector<bool> selectable(logits.size(), true);
  Sampler sampler(parameters, selectable, prompt);
  for (const int32_t token : answer) {
    std::vector<float> certain(logits.size(), -1e6F);
    certain[static_cast<size_t>(token)] = 1e6F;
    EXPECT_EQ(sampler.Next(certain).token, token);
  }
  return sampler.Next(logits).token;
}

TEST(GoldenSamplerTest, DrawsFollowHuggingFacesDistributionUnderEveryRuleAndAllTogether) {
  constexpr int kDraws = 6'000;
  const auto golden = GoldenJson("sampling/distributions.json");
  const std::vector<int32_t> prompt = golden["prompt"], answer = golden["answer"];
  const std::vector<float> logits = golden["logits"];
  uint64_t seed = 0;
  for (const auto& item : golden["cases"]) {
    SCOPED_TRACE(item["rules"].dump());
    SamplingParameters parameters = ParametersOf(item["rules"]);
    // A suppressed token cannot be made to win; none of the answer's is but where it says so.
    std::vector<int32_t> read = answer;
    for (const int32_t token : parameters.suppressed_tokens) std::erase(read, token);
    std::vector<int64_t> counts(logits.size(), 0);
    for (int draw = 0; draw < kDraws; ++draw) {
      parameters.seed = seed++;
      ++counts[static_cast<size_t>(DrawAfter(parameters, prompt, read, logits))];
    }
    ExpectCountsFollow(counts, item["probabilities"]);
  }
  EXPECT_GE(golden["cases"].size(), 20U);
}

}  // namespace
}  // namespace scanserve::runtime
