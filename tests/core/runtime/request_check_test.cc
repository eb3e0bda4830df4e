#include "core/runtime/request_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace scanserve::runtime {
namespace {

using ::testing::HasSubstr;

model::MambaConfig Config() {
  model::MambaConfig config;
  config.vocab_size = 10;
  config.hidden_size = 8;
  config.num_layers = 4;
  return config;
}

GenerateRequest ValidGeneration() {
  GenerateRequest request;
  request.prompt = {0, 9};
  return request;
}

ScoreRequest Scoring(PerplexityMode mode, int64_t window, int64_t stride, int64_t prefix) {
  ScoreRequest request;
  request.tokens = {0, 1, 2, 3, 4, 5};
  request.mode = mode;
  request.window_tokens = window;
  request.stride_tokens = stride;
  request.prefix_tokens = prefix;
  return request;
}

constexpr int64_t kMaxBytes = 1'000;

absl::Status Check(const GenerateRequest& request) {
  return CheckRequest(request, Config(), kMaxBytes);
}
absl::Status Check(const ScoreRequest& request) { return CheckRequest(request, Config()); }

template <typename Request>
void ExpectRefused(const Request& request, const std::string& refusal) {
  const absl::Status status = Check(request);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << refusal;
  EXPECT_THAT(std::string(status.message()), HasSubstr(refusal));
}

TEST(RequestCheckTest, AcceptsAGenerationOfNothingAndAsManyLogprobsAsFit) {
  GenerateRequest request = ValidGeneration();
  request.sampling.max_new_tokens = 0;
  EXPECT_TRUE(Check(request).ok());
  request.prompt.assign(8, 1);
  request.prompt_logprobs = true;
  request.sampling.top_logprobs = 17;
  EXPECT_TRUE(Check(request).ok());
}

TEST(RequestCheckTest, AcceptsAGenerationThatFitsAndNamesWhatDoesNot) {
  EXPECT_TRUE(Check(ValidGeneration()).ok());
  struct Case {
    void (*spoil)(GenerateRequest&);
    const char* refusal;
  };
  const Case cases[] = {
      {[](GenerateRequest& r) { r.prompt = {}; }, "prompt: no tokens"},
      {[](GenerateRequest& r) {
         r.prompt = {3, 10};
       },
       "prompt: token 10, the model has 10"},
      {[](GenerateRequest& r) { r.prompt = {-1}; }, "prompt: token -1"},
      {[](GenerateRequest& r) { r.basics.scan.target_layers = {4}; },
       "target_layers: layer 4, the model has 4"},
      {[](GenerateRequest& r) { r.basics.scan.target_layers = {-1}; }, "target_layers: layer -1"},
      {[](GenerateRequest& r) {
         r.basics.scan.target_layers = {2, 1};
       },
       "target_layers: layer 1 after 2, expected ascending layers"},
      {[](GenerateRequest& r) {
         r.basics.scan.target_layers = {1, 1};
       },
       "layer 1 after 1"},
      {[](GenerateRequest& r) { r.sampling.max_new_tokens = -1; },
       "max_new_tokens: -1, expected 0 or more"},
      {[](GenerateRequest& r) { r.n = 0; }, "n: 0, at least 1"},
      {[](GenerateRequest& r) {
         r.n = 2;
         r.sampling.max_new_tokens = 0;
       },
       "n: 2, at most 1 where max_new_tokens is 0"},
      {[](GenerateRequest& r) {
         r.prompt.assign(8, 1);
         r.prompt_logprobs = true;
         r.sampling.top_logprobs = 18;
       },
       "prompt_logprobs: they take 1043 bytes, at most 1000 are collected"},
      {[](GenerateRequest& r) { r.sampling.temperature = -1; }, "temperature: -1"},
      {[](GenerateRequest& r) { r.sampling.temperature = NAN; }, "temperature: nan"},
      {[](GenerateRequest& r) { r.sampling.temperature = INFINITY; }, "temperature: inf"},
      {[](GenerateRequest& r) {
         r.sampling.stop_strings = {"a", ""};
       },
       "stop_strings: an empty string"},
      {[](GenerateRequest& r) {
         r.sampling.logit_bias = {{10, 1}};
       },
       "logit_bias: token 10"},
      {[](GenerateRequest& r) {
         r.sampling.logit_bias = {{-3, 1}};
       },
       "logit_bias: token -3"},
      {[](GenerateRequest& r) {
         r.sampling.suppressed_tokens = {1, 10};
       },
       "suppress_tokens: token 10"},
  };
  for (const Case& each : cases) {
    GenerateRequest request = ValidGeneration();
    each.spoil(request);
    ExpectRefused(request, each.refusal);
  }
}

TEST(RequestCheckTest, NamesWhatDoesNotFitAScore) {
  for (const ScoreRequest& fits : {Scoring(PerplexityMode::kFullWindow, 0, 0, 0),
                                   Scoring(PerplexityMode::kFullWindow, 1, 0, 0),
                                   Scoring(PerplexityMode::kContinuation, 0, 0, 1),
                                   Scoring(PerplexityMode::kSliding, 2, 2, 0)}) {
    EXPECT_TRUE(CheckRequest(fits, Config()).ok());
  }
  ExpectRefused(ScoreRequest(), "document: no tokens");
  ExpectRefused(Scoring(PerplexityMode::kFullWindow, -1, 0, 0), "window_tokens: -1");
  ExpectRefused(Scoring(PerplexityMode::kContinuation, 0, 0, 0), "prefix_tokens: 0, at least 1");
  ExpectRefused(Scoring(PerplexityMode::kSliding, 1, 1, 0), "window_tokens: 1, at least 2");
  ExpectRefused(Scoring(PerplexityMode::kSliding, 4, 0, 0), "stride_tokens: 0, expected 1 to 4");
  ExpectRefused(Scoring(PerplexityMode::kSliding, 4, 5, 0), "stride_tokens: 5, expected 1 to 4");
  ScoreRequest ordered = Scoring(PerplexityMode::kSliding, 4, 2, 0);
  ordered.basics.scan.order = *order::ScanOrder::FromEntries({1, 0});
  ExpectRefused(ordered, "SLIDING reads in natural order only");
  ScoreRequest layers = Scoring(PerplexityMode::kFullWindow, 0, 0, 0);
  layers.basics.scan.target_layers = {0, 4};
  ExpectRefused(layers, "target_layers: layer 4");
}

TEST(RequestCheckTest, NamesWhatDoesNotFitAnExtraction) {
  const auto check = [](HiddenStateKind kind, std::vector<int32_t> layers, int64_t begin,
                        int64_t end, int64_t max_bytes = 1 << 20) {
    ExtractRequest request;
    request.tokens = {1, 2, 3};
    request.kind = kind;
    request.layers = std::move(layers);
    request.begin_position = begin;
    request.end_position = end;
    return std::string(CheckRequest(request, Config(), max_bytes).message());
  };
  const HiddenStateKind layered = HiddenStateKind::kMixerInput;
  EXPECT_EQ(check(layered, {0, 3}, 0, 3), "");
  EXPECT_EQ(check(HiddenStateKind::kFinalNorm, {}, 2, 3), "");
  EXPECT_EQ(check(layered, {0, 3}, 1, 3, 2 * 2 * 8 * 4), "");
  EXPECT_THAT(check(layered, {0, 3}, 1, 3, 2 * 2 * 8 * 4 - 1),
              HasSubstr("the answer takes 128 bytes, at most 127"));
  EXPECT_THAT(check(layered, {}, 0, 3), HasSubstr("layers: none named"));
  EXPECT_THAT(check(HiddenStateKind::kFinalNorm, {1}, 0, 3), HasSubstr("has no layers"));
  EXPECT_THAT(check(layered, {4}, 0, 3), HasSubstr("layers: layer 4"));
  EXPECT_THAT(check(layered, {1, 0}, 0, 3), HasSubstr("layer 0 after 1"));
  EXPECT_THAT(check(layered, {1}, -1, 3), HasSubstr("range [-1, 3) of 3 tokens"));
  EXPECT_THAT(check(layered, {1}, 2, 2), HasSubstr("range [2, 2) of 3 tokens"));
  EXPECT_THAT(check(layered, {1}, 0, 4), HasSubstr("range [0, 4) of 3 tokens"));
}

}  // namespace
}  // namespace scanserve::runtime
