// The prefix cache in the engine: what is found, and that a cached answer is a cold one to the bit.
#include "core/runtime/prefix_reuse.h"

#include <gtest/gtest.h>

#include "core/runtime/engine_loop.h"
#include "tests/core/runtime/cached_engine.h"
#include "tests/core/runtime/forked_job.h"

namespace scanserve::runtime {
namespace {

TEST(PrefixReuseTest, APromptThatCameBeforeIsNotReadAgain) {
  CachedEngine cached;
  const Tokens prompt = SomeTokens(50);
  EXPECT_EQ(cached.Cached(Generation(prompt)), 0);
  const int64_t steps = cached.engine().stats().steps;
  EXPECT_EQ(cached.Cached(Generation(prompt)), 50);
  EXPECT_EQ(cached.engine().stats().steps, steps + 5) << "a step for each token but the first";
  EXPECT_EQ(cached.stats().lookups, 2);
  EXPECT_EQ(cached.stats().hit_tokens, 50);
  EXPECT_EQ(cached.stats().missed_tokens, 50);
}

TEST(PrefixReuseTest, ASharedBeginningIsFoundByWholeBlocks) {
  CachedEngine cached;
  const Tokens system = SomeTokens(40);
  cached.Ask(Generation(Joined(system, SomeTokens(20, 2))));
  EXPECT_EQ(cached.Cached(Generation(Joined(system, SomeTokens(20, 3)))), 2 * kBlock);
  EXPECT_EQ(cached.Cached(Generation(SomeTokens(40, 4))), 0);
}

TEST(PrefixReuseTest, AConversationIsNotReadTwice) {
  CachedEngine cached;
  const Tokens first = SomeTokens(20);
  const Answer answer = cached.Ask(Generation(first));
  ASSERT_EQ(answer.tokens.size(), 6U);
  const Tokens second = Joined(Joined(first, answer.tokens), SomeTokens(9, 2));
  EXPECT_EQ(cached.Cached(Generation(second)), 25) << "the last token was sampled, never read";
}

TEST(PrefixReuseTest, AnAnswerIsStoredAtTheEndsOfBlocksToo) {
  CachedEngine cached;
  GenerateRequest request = Generation(SomeTokens(20));
  request.sampling.max_new_tokens = 30;
  const Answer answer = cached.Ask(request);
  // Cut where a client cuts it.
  const Tokens kept(answer.tokens.begin(), answer.tokens.begin() + 25);
  const Tokens next = Joined(Joined(request.prompt, kept), SomeTokens(5, 2));
  EXPECT_EQ(cached.Cached(Generation(next)), 2 * kBlock);
}

TEST(PrefixReuseTest, ForksStartFromACachedPromptAndEachAnswerIsStored) {
  EngineLoop loop(WithCache(), TinyModel());
  const Tokens prompt = SomeTokens(20);
  const auto ask = [&] {
    const auto stream = loop.NewStream();
    EXPECT_TRUE(
        loop.Submit(std::make_unique<ForkedJob>(prompt, Tokens{3, 5}, stream), stream).ok());
    return Collect(*stream);
  };
  const Answer cold = ask();
  const Answer cached = ask();
  EXPECT_EQ(cold.cached_tokens, 0);
  EXPECT_EQ(cached.cached_tokens, 20);
  ASSERT_EQ(cold.tokens.size(), 8U);
  EXPECT_EQ(cached.tokens, cold.tokens);
  const Tokens choices[] = {{cold.tokens.begin(), cold.tokens.begin() + 3},
                            {cold.tokens.begin() + 3, cold.tokens.end()}};
  for (const Tokens& choice : choices) {
    const Answer next = Collect(*Submit(loop, Generation(Joined(prompt, choice))));
    EXPECT_EQ(next.cached_tokens, 20 + static_cast<int64_t>(choice.size()) - 1);
  }
}

TEST(PrefixReuseTest, AGrowingPromptIsFoundUnderAnOrderFromItsLengthOn) {
  for (const auto readout : {order::Readout::kNaturalLast, order::Readout::kPinLast}) {
    std::mt19937 random(7);
    const AppliedScan scan = {RandomOrder(40, random), {}, readout};
    CachedEngine cached;
    const Tokens tokens = SomeTokens(60);
    const auto first = [&](int64_t n) {
      return Generation(Tokens(tokens.begin(), tokens.begin() + n), scan);
    };
    EXPECT_EQ(cached.Cached(first(30)), 0);
    EXPECT_LT(cached.Cached(first(34)), kBlock) << "shorter than the order: another scan";
    EXPECT_LT(cached.Cached(first(40)), kBlock);
    // Pinned to the end of 40, position 39 stands in its own place again once another one is last.
    const auto pi = scan.order->pi();
    const int64_t moved = std::find(pi.begin(), pi.end(), 39) - pi.begin();
    EXPECT_EQ(cached.Cached(first(41)),
              readout == order::Readout::kPinLast ? moved / kBlock * kBlock : 40);
    EXPECT_EQ(cached.Cached(first(50)), 41);
    EXPECT_EQ(cached.Cached(first(60)), 50);
  }
}

TEST(PrefixReuseTest, WithTheLastTokenScannedInTheFirstBlockTheReadoutIsNeverLost) {
  const Tokens prompt = SomeTokens(50);
  const AppliedScan scan = {LastFirst(50), {}, order::Readout::kNaturalLast};
  {
    CachedEngine cached;
    EXPECT_EQ(cached.Cached(Generation(prompt, scan)), 0);
    EXPECT_EQ(cached.Cached(Generation(prompt, scan)), 50) << "the entry holds the readout's row";
    // All but the token scanned last are the same.
    Tokens other = prompt;
    other[48] = (other[48] + 1) % 100;
    EXPECT_EQ(cached.Cached(Generation(other, scan)), 3 * kBlock);
  }
  // Extraction needs no logits: it leaves states past the readout without the readout's row.
  CachedEngine cached;
  ExtractRequest extraction = Extraction(prompt, 40, scan);
  extraction.end_position = 45;
  EXPECT_EQ(cached.Cached(extraction), 0);
  EXPECT_EQ(cached.Cached(extraction), 2 * kBlock) << "position 40 is scanned as the 42nd";
  EXPECT_EQ(cached.Cached(Generation(prompt, scan)), 0);
  EXPECT_EQ(cached.Cached(Scoring(Joined(prompt, SomeTokens(9)), 50, scan)), 50);
}

TEST(PrefixReuseTest, EqualTokensInScanOrderAreNotMixedUpUnderASubsetOfLayers) {
  const Tokens one = SomeTokens(24);
  const std::vector<int64_t> pi = [] {
    std::vector<int64_t> entries;
    for (int64_t k = 0; k < 24; ++k) entries.push_back((k * 5 + 3) % 24);
    return entries;
  }();
  // `other` read in reverse is `one` read by pi.
  std::vector<int64_t> reverse;
  Tokens other(24);
  for (size_t k = 0; k < 24; ++k) {
    reverse.push_back(23 - static_cast<int64_t>(k));
    other[23 - k] = one[static_cast<size_t>(pi[k])];
  }
  for (const std::vector<int32_t>& layers : {Tokens{1}, Tokens{0, 2}}) {
    CachedEngine cached;
    const GenerateRequest first = Generation(one, {Order(pi), layers});
    const GenerateRequest second = Generation(other, {Order(reverse), layers});
    EXPECT_EQ(cached.Cached(first), 0);
    EXPECT_EQ(cached.Cached(second), 0);
    // Nor the same tokens in natural order, by the same layers under another order, or by others.
    EXPECT_EQ(cached.Cached(Generation(one)), 0);
    EXPECT_EQ(cached.Cached(Generation(one, {Order(reverse), layers})), 0);
    EXPECT_EQ(cached.Cached(Generation(one, {Order(pi), {0, 1}})), 0);
    EXPECT_EQ(cached.Cached(Generation(one, {Order(pi), layers, order::Readout::kPinLast})), 0);
    EXPECT_EQ(cached.Cached(first), 24) << "whole prompts are found";
    EXPECT_EQ(cached.Cached(second), 24);
    EXPECT_EQ(cached.Cached(Generation(Joined(one, {5}), {Order(pi), layers})), 0);
    EXPECT_EQ(cached.Cached(Extraction(one, 23, {Order(pi), layers})), 0);
    EXPECT_EQ(cached.Cached(Scoring(Joined(one, {5, 6}), 24, {Order(pi), layers})), 24);
  }
}

TEST(PrefixReuseTest, NothingIsStoredWhileLayersAreReadOneByOne) {
  std::mt19937 random(7);
  const AppliedScan scan = {RandomOrder(72, random), {0, 2}};
  const Tokens shared = SomeTokens(48);
  CachedEngine cached;
  const Tokens first = Joined(shared, SomeTokens(24, 2));
  // A step of 40 tokens through three layers ends 48 tokens into the second layer.
  EXPECT_EQ(cached.Cached(Generation(first, scan)), 0);
  EXPECT_EQ(cached.Cached(Generation(Joined(shared, SomeTokens(24, 3)), scan)), 0);
  EXPECT_EQ(cached.Cached(Generation(first, scan)), 72);
}

TEST(PrefixReuseTest, AllLayersShareWhatTheyScanAlikeUnderAnyOrder) {
  const Tokens tokens = SomeTokens(32);
  Tokens reversed(tokens.rbegin(), tokens.rend());
  std::vector<int64_t> reverse;
  for (int64_t k = 31; k >= 0; --k) reverse.push_back(k);
  CachedEngine cached;
  EXPECT_EQ(cached.Cached(Generation(tokens)), 0);
  // Its readout is scanned first, and the entry's row is that of the token scanned last.
  EXPECT_EQ(cached.Cached(Generation(reversed, {Order(reverse), {}})), 0);
  EXPECT_EQ(cached.Cached(Generation(reversed, {Order(reverse), {}})), 32);
  EXPECT_EQ(cached.Cached(Generation(tokens)), kBlock) << "the row at the end is the other's now";
}

TEST(PrefixReuseTest, AdaptersAreKeptApartByContentAndNotKeptInMemory) {
  CachedEngine cached;
  const auto request = [&](const char* adapter) {
    GenerateRequest made = Generation(SomeTokens(20));
    made.basics.adapter = LoadAdapter(kTiny, adapter, TinyModel()->config);
    return made;
  };
  for (const char* adapter : {"", "all_modules", "dt_proj_only"}) {
    EXPECT_EQ(cached.Cached(request(adapter)), 0) << adapter;
  }
  for (const char* adapter : {"", "all_modules", "dt_proj_only"}) {
    EXPECT_EQ(cached.Cached(request(adapter)), 20) << adapter;
  }
  std::optional<GenerateRequest> last = request("all_modules");
  const std::weak_ptr<const model::Adapter> adapter = last->basics.adapter;
  cached.Ask(*last);
  last.reset();
  EXPECT_TRUE(adapter.expired());
}

TEST(PrefixReuseTest, AMergedAdapterFindsNothingOfTheUnmergedWhoseBitsAreOthers) {
  CachedEngine cached;
  GenerateRequest request = Generation(SomeTokens(20));
  request.basics.adapter = LoadAdapter(kTiny, "all_modules", TinyModel()->config);
  EXPECT_EQ(cached.Cached(request), 0);
  request.basics.adapter = MergedAdapter(*request.basics.adapter, *TinyModel());
  EXPECT_EQ(cached.Cached(request), 0);
  EXPECT_EQ(cached.Cached(request), 20);
}

TEST(PrefixReuseTest, ThePrefixOfAContinuationIsFoundAndItsFirstTargetKept) {
  CachedEngine cached;
  const Tokens document = SomeTokens(60);
  cached.Ask(Generation(Tokens(document.begin(), document.begin() + 40)));
  const Answer whole = cached.Ask(Scoring(document, 40));
  EXPECT_EQ(whole.score->cached_tokens, 40) << "the readout's logits stand in the entry";
  EXPECT_EQ(whole.score->first_target.tokens, 1);
  EXPECT_EQ(cached.Ask(Scoring(document, 44)).score->cached_tokens, 40);
  EXPECT_EQ(cached.Ask(Scoring(document, 39)).score->cached_tokens, 2 * kBlock);
}

TEST(PrefixReuseTest, ALateRangeIsExtractedFromWhereThePromptIsKnown) {
  CachedEngine cached;
  const Tokens tokens = SomeTokens(60);
  cached.Ask(Generation(tokens));
  EXPECT_EQ(cached.Cached(Extraction(tokens, 50)), 3 * kBlock);
  EXPECT_EQ(cached.Cached(Extraction(tokens, 48)), 3 * kBlock);
  EXPECT_EQ(cached.Cached(Extraction(tokens, 47)), 2 * kBlock);
  EXPECT_EQ(cached.Cached(Extraction(tokens, 15)), 0);
}

TEST(PrefixReuseTest, AnExtractionStoresNoMoreThanARepetitionOfItCouldUse) {
  CachedEngine cached;
  cached.Ask(Extraction(SomeTokens(60), 20));
  EXPECT_EQ(cached.stats().entries, 1) << "the block before its range";
}

// Else a document of small windows would be one step of minutes, which nothing could end.
TEST(PrefixReuseTest, WindowsThatAreKnownTakeAStepEach) {
  for (const int64_t window : {1, 2}) {
    for (const auto& order : {std::shared_ptr<const order::ScanOrder>(), LastFirst(40)}) {
      CachedEngine cached;
      ScoreRequest request = Scoring(Tokens(60, 7), 0);
      request.mode = PerplexityMode::kFullWindow;
      request.window_tokens = window;
      request.basics.scan.order = order;
      cached.Ask(request);
      EXPECT_GE(cached.engine().stats().steps, 60 / window);
    }
  }
}

TEST(PrefixReuseTest, WhatNeedsEveryRowNeitherLooksNorStores) {
  CachedEngine cached;
  ScoreRequest scoring = Scoring(SomeTokens(60), 0);
  scoring.mode = PerplexityMode::kFullWindow;
  cached.Ask(scoring);
  cached.Ask(Extraction(SomeTokens(60), 0));
  EXPECT_EQ(cached.stats().lookups, 0);
  EXPECT_EQ(cached.stats().entries, 0);
}

TEST(PrefixReuseTest, ARequestThatTakesNoPartNeitherFindsNorStores) {
  CachedEngine cached;
  GenerateRequest request = Generation(SomeTokens(50));
  cached.Ask(request);
  const PrefixCacheStats before = cached.stats();
  request.basics.use_prefix_cache = false;
  EXPECT_EQ(cached.Cached(request), 0);
  request.prompt = SomeTokens(50, 2);
  cached.Ask(request);
  EXPECT_EQ(cached.stats().lookups, before.lookups);
  EXPECT_EQ(cached.stats().entries, before.entries);
}

TEST(PrefixReuseTest, AnAnswerIsStoredWithoutThePromptsRow) {
  const auto bytes_after = [](int32_t new_tokens) {
    CachedEngine cached;
    GenerateRequest request = Generation(SomeTokens(kBlock - 1));
    request.sampling.max_new_tokens = new_tokens;
    cached.Ask(request);
    return cached.stats().bytes;
  };
  const int64_t prompt = bytes_after(1);
  const int64_t answer = bytes_after(2) - prompt;
  const auto row = static_cast<int64_t>(TinyModel()->config.vocab_size * sizeof(float));
  EXPECT_EQ(answer, prompt + static_cast<int64_t>(sizeof(int32_t)) - row);
}

TEST(PrefixReuseTest, WithoutMemoryEveryPromptIsRead) {
  CachedEngine cached(WithCache(0));
  EXPECT_EQ(cached.Cached(Generation(SomeTokens(50))), 0);
  EXPECT_EQ(cached.Cached(Generation(SomeTokens(50))), 0);
  EXPECT_EQ(cached.stats().lookups, 0);
  EXPECT_EQ(cached.stats().bytes, 0);
}

}  // namespace
}  // namespace scanserve::runtime
