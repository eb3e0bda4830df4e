// An engine with a prefix cache whose every answer is held to that of an engine without one.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/core/runtime/golden_files.h"
#include "tests/core/runtime/held_engine.h"
#include "tests/core/runtime/same_bits.h"

namespace scanserve::runtime {

inline constexpr const char* kTiny = "tests/golden/checkpoints/odd_vocabulary";
inline constexpr int64_t kBlock = 16;

using Tokens = std::vector<int32_t>;

inline std::shared_ptr<const model::LanguageModel> TinyModel() {
  static const auto model = LoadModel(kTiny);
  return model;
}

inline EngineOptions WithCache(int64_t bytes = int64_t{1} << 26) {
  EngineOptions options;
  options.threads = 2;
  options.step_tokens = 40;
  options.prompt_chunk_tokens = 7;
  options.prefix_cache_bytes = bytes;
  options.prefix_block_tokens = kBlock;
  options.poison_freed_state = true;
  return options;
}

inline Tokens SomeTokens(int64_t length, uint32_t seed = 1) {
  std::mt19937 random(seed);
  return RandomTokens(*TinyModel(), length, random);
}

inline Tokens Joined(Tokens first, const Tokens& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

inline std::shared_ptr<const order::ScanOrder> Order(const std::vector<int64_t>& entries) {
  return *order::ScanOrder::FromEntries(entries);
}

// Scans the last position first, then the others in natural order.
inline std::shared_ptr<const order::ScanOrder> LastFirst(int64_t length) {
  std::vector<int64_t> entries = {length - 1};
  for (int64_t i = 0; i < length - 1; ++i) entries.push_back(i);
  return Order(entries);
}

inline GenerateRequest Generation(const Tokens& prompt, const AppliedScan& scan = {}) {
  GenerateRequest request;
  request.prompt = prompt;
  request.basics.scan = scan;
  request.sampling.max_new_tokens = 6;
  request.sampling.temperature = 1.1F;
  request.sampling.seed = 5;
  request.sampling.ignore_eos = true;
  request.sampling.logprobs = true;
  request.sampling.top_logprobs = 4;
  return request;
}

inline ScoreRequest Scoring(const Tokens& document, int64_t prefix_tokens,
                            const AppliedScan& scan = {}) {
  ScoreRequest request;
  request.tokens = document;
  request.basics.scan = scan;
  request.mode = PerplexityMode::kContinuation;
  request.prefix_tokens = prefix_tokens;
  request.per_token = true;
  return request;
}

inline ExtractRequest Extraction(const Tokens& tokens, int64_t begin,
                                 const AppliedScan& scan = {}) {
  ExtractRequest request;
  request.tokens = tokens;
  request.basics.scan = scan;
  request.layers = {0, 2};
  request.begin_position = begin;
  request.end_position = static_cast<int64_t>(tokens.size());
  return request;
}

inline std::string ColdBits(const AnyRequest& request) {
  EngineOptions options;
  options.threads = 1;
  options.prefix_cache_bytes = 0;
  const auto engine = Engine::Create(options, TinyModel());
  const Answer answer = Collect(*Submit(*engine, request));
  EXPECT_TRUE(answer.ended.status.ok()) << answer.ended.status;
  EXPECT_EQ(answer.cached_tokens, 0);
  return Bits(answer);
}

// An engine with a cache, whose answers must be cold ones to the bit.
class CachedEngine {
 public:
  explicit CachedEngine(const EngineOptions& options = WithCache())
      : engine_(Engine::Create(options, TinyModel())) {}

  Engine& engine() { return *engine_; }
  PrefixCacheStats stats() const { return engine_->stats().prefix_cache; }

  Answer Ask(const AnyRequest& request) {
    Answer answer = Collect(*Submit(*engine_, request));
    EXPECT_TRUE(answer.started);
    EXPECT_TRUE(Bits(answer) == ColdBits(request)) << "differs from the cold answer";
    return answer;
  }
  // How many tokens came from the cache.
  int64_t Cached(const AnyRequest& request) { return Ask(request).cached_tokens; }

 private:
  std::unique_ptr<Engine> engine_;
};

}  // namespace scanserve::runtime
