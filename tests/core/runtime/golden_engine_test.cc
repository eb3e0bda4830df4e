// Whole requests against Hugging Face: greedy continuations and perplexities.
#include <gtest/gtest.h>

#include "core/runtime/engine.h"
#include "tests/core/runtime/golden_files.h"

namespace scanserve::runtime {
namespace {

std::unique_ptr<Engine> MakeEngine() {
  EngineOptions options;
  options.poison_freed_state = true;
  options.threads = 2;
  options.step_tokens = 200;
  options.prompt_chunk_tokens = 50;
  options.poison_freed_state = true;
  return Engine::Create(options, EmbeddedModel());
}

std::vector<int32_t> GeneratedTokens(RequestStream& stream) {
  std::vector<int32_t> tokens;
  for (;;) {
    const Event event = stream.Wait();
    if (const auto* delta = std::get_if<Delta>(&event)) {
      tokens.insert(tokens.end(), delta->tokens.begin(), delta->tokens.end());
    } else if (const auto* ended = std::get_if<Ended>(&event)) {
      EXPECT_TRUE(ended->status.ok()) << ended->status;
      return tokens;
    }
  }
}

GenerateRequest GreedyRequest(std::vector<int32_t> prompt, int32_t new_tokens) {
  GenerateRequest request;
  request.prompt = std::move(prompt);
  request.sampling.temperature = 0;
  request.sampling.max_new_tokens = new_tokens;
  request.sampling.ignore_eos = true;
  request.sampling.suppressed_tokens = {1, 2};
  return request;
}

TEST(GreedyContinuationTest, EqualsHuggingFaceForAllPromptsAtOnce) {
  const auto engine = MakeEngine();
  const auto golden = GoldenJson("greedy/continuations.json");
  std::vector<std::shared_ptr<RequestStream>> streams;
  for (const auto& item : golden["cases"]) {
    GenerateRequest request = GreedyRequest(item["prompt_ids"], 64);
    request.basics.adapter =
        LoadAdapter("models/scanserve-6m", StringOrEmpty(item["adapter"]), EmbeddedModel()->config);
    auto stream = engine->Generate(std::move(request));
    ASSERT_TRUE(stream.ok()) << stream.status();
    streams.push_back(*stream);
  }
  ASSERT_GE(streams.size(), 25U);
  for (size_t i = 0; i < streams.size(); ++i) {
    const std::vector<int32_t> expected = golden["cases"][i]["continuation_ids"];
    EXPECT_EQ(GeneratedTokens(*streams[i]), expected) << "case " << i;
  }
}

TEST(GreedyContinuationTest, GoesOnNaturallyFromWhatAPermutedPromptLeavesBehind) {
  const auto engine = MakeEngine();
  int cases = 0;
  for (const auto& item : GoldenJson("permuted/cases.json")) {
    if (!item.contains("continuation_ids")) continue;
    SCOPED_TRACE(item["name"].get<std::string>());
    const std::vector<int32_t> expected = item["continuation_ids"];
    GenerateRequest request = GreedyRequest(GoldenIds("permuted/embedded_ids.npy"),
                                            static_cast<int32_t>(expected.size()));
    request.basics.adapter =
        LoadAdapter("models/scanserve-6m", StringOrEmpty(item["adapter"]), EmbeddedModel()->config);
    request.basics.scan.order =
        GoldenOrder("permuted/orders/" + item["order"].get<std::string>() + ".npy");
    for (const auto& layer : item["target_layers"]) {
      request.basics.scan.target_layers.push_back(layer);
    }
    if (item["readout"] == "PIN_LAST") request.basics.scan.readout = order::Readout::kPinLast;
    auto stream = engine->Generate(std::move(request));
    ASSERT_TRUE(stream.ok()) << stream.status();
    EXPECT_EQ(GeneratedTokens(**stream), expected);
    ++cases;
  }
  EXPECT_GE(cases, 4);
}

void ExpectScore(const Score& score, const nlohmann::json& golden, const char* which) {
  EXPECT_EQ(score.tokens, golden["tokens"].get<int64_t>()) << which;
  const double expected = golden["nll"];
  EXPECT_NEAR(score.nll, expected, 1e-4 * std::fabs(expected) + 1e-9) << which;
}

ScoreRequest GoldenScoreRequest(const nlohmann::json& run, const std::vector<int32_t>& ids) {
  ScoreRequest request;
  request.tokens = ids;
  const std::string mode = run["mode"];
  request.mode = mode == "SLIDING"        ? PerplexityMode::kSliding
                 : mode == "CONTINUATION" ? PerplexityMode::kContinuation
                                          : PerplexityMode::kFullWindow;
  request.window_tokens = run.value("window_tokens", 0);
  request.stride_tokens = run.value("stride_tokens", 0);
  request.prefix_tokens = run.value("prefix_tokens", 0);
  request.per_token = true;
  request.basics.adapter =
      LoadAdapter("models/scanserve-6m", StringOrEmpty(run["adapter"]), EmbeddedModel()->config);
  if (!run["order"].is_null()) request.basics.scan.order = GoldenOrder("perplexity/order.npy");
  for (const auto& layer : run["target_layers"]) {
    request.basics.scan.target_layers.push_back(layer);
  }
  if (run.value("readout", "") == "PIN_LAST") {
    request.basics.scan.readout = order::Readout::kPinLast;
  }
  return request;
}

void ExpectDocument(RequestStream& stream, const nlohmann::json& golden) {
  std::string classes;
  for (;;) {
    const Event event = stream.Wait();
    if (const auto* scored = std::get_if<ScoredTokens>(&event)) {
      for (const auto& target : scored->targets) {
        classes += target.target_class == order::TargetClass::kLeaked      ? 'L'
                   : target.target_class == order::TargetClass::kLookahead ? 'A'
                                                                           : 'C';
      }
    } else if (const auto* score = std::get_if<DocumentScore>(&event)) {
      ExpectScore(score->all, golden["all"], "all");
      ExpectScore(score->leaked, golden["leaked"], "leaked");
      ExpectScore(score->lookahead, golden["lookahead"], "lookahead");
      ExpectScore(score->causal, golden["causal"], "causal");
      EXPECT_EQ(score->scored_bytes, golden["scored_bytes"].get<int64_t>());
      EXPECT_EQ(score->unscored_reason.empty(), golden["all"]["tokens"] != 0);
      if (golden.contains("first_target")) {
        ExpectScore(score->first_target, golden["first_target"], "first target");
      }
    } else if (const auto* ended = std::get_if<Ended>(&event)) {
      ASSERT_TRUE(ended->status.ok()) << ended->status;
      break;
    }
  }
  EXPECT_EQ(classes, golden["classes"].get<std::string>());
}

TEST(PerplexityTest, EqualsHuggingFaceInEveryModeAndSetting) {
  const auto engine = MakeEngine();
  const auto documents = GoldenJson("perplexity/documents.json");
  int runs = 0;
  for (const auto& run : GoldenJson("perplexity/runs.json")) {
    std::vector<std::shared_ptr<RequestStream>> streams;
    for (const auto& document : documents) {
      auto stream = engine->Score(GoldenScoreRequest(run, document["token_ids"]));
      ASSERT_TRUE(stream.ok()) << stream.status();
      streams.push_back(*stream);
    }
    for (size_t i = 0; i < streams.size(); ++i) {
      SCOPED_TRACE("run " + std::to_string(runs) + " document " +
                   run["documents"][i]["id"].get<std::string>());
      ExpectDocument(*streams[i], run["documents"][i]);
    }
    ++runs;
  }
  EXPECT_GE(runs, 10);
}

}  // namespace
}  // namespace scanserve::runtime
