// The cache by itself: which entry a pass may start from, what goes first, and that its bytes hold.
#include "core/runtime/prefix_cache.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <cmath>
#include <random>

namespace scanserve::runtime {
namespace {

using Tokens = std::vector<int32_t>;

constexpr int64_t kNone = 1'000'000;
constexpr int64_t kPlenty = int64_t{1} << 30;

model::MambaConfig SmallShape() {
  model::MambaConfig config;
  config.vocab_size = 8;
  config.hidden_size = 4;
  config.num_layers = 2;
  config.inner_size = 8;
  config.time_step_rank = 1;
  return config;
}

PrefixCacheOptions Options(int64_t max_bytes) {
  PrefixCacheOptions options;
  options.max_bytes = max_bytes;
  options.poison_freed_state = true;
  return options;
}

// A state that is told apart by one number.
model::SequenceState Stamped(float stamp) {
  model::SequenceState state(SmallShape());
  for (int64_t layer = 0; layer < SmallShape().num_layers; ++layer) {
    *state.conv(layer) = stamp;
    *state.scan(layer) = stamp;
  }
  return state;
}

float StampOf(const model::SequenceState& state) {
  model::SequenceState copy(SmallShape());
  copy.CopyFrom(state);
  EXPECT_EQ(*copy.conv(0), *copy.scan(1));
  return *copy.conv(0);
}

LogitsRow Row(int64_t index) { return {index, std::vector<float>(8, static_cast<float>(index))}; }

// No rows are needed, but none beyond the tokens can be skipped.
NeededRows Nothing(const Tokens& tokens) {
  const auto size = static_cast<int64_t>(tokens.size());
  return {size, size};
}

// The stamp of what is found, 0 for nothing.
float Find(PrefixCache& cache, const Tokens& tokens, const PassKind& kind = {}) {
  const auto hit = cache.Find(kind, tokens, Nothing(tokens));
  return hit.has_value() ? StampOf(*hit->state) : 0;
}

void Insert(PrefixCache& cache, const Tokens& tokens, float stamp, const PassKind& kind = {}) {
  cache.Insert(kind, tokens, Stamped(stamp), nullptr);
}

int64_t BytesOfOne(const Tokens& tokens, const LogitsRow* row = nullptr) {
  PrefixCache cache(SmallShape(), Options(kPlenty));
  cache.Insert({}, tokens, Stamped(1), row);
  return cache.stats().bytes;
}

TEST(PrefixCacheTest, FindsTheLongestEntryThatTheTokensBeginWith) {
  PrefixCache cache(SmallShape(), Options(kPlenty));
  Insert(cache, {1, 2}, 10);
  Insert(cache, {1, 2, 3, 4}, 20);
  Insert(cache, {2, 3}, 30);
  EXPECT_EQ(Find(cache, {1, 2, 3, 4, 5}), 20);
  EXPECT_EQ(Find(cache, {1, 2, 3, 4}), 20);
  EXPECT_EQ(Find(cache, {1, 2, 3, 5}), 10);
  EXPECT_EQ(Find(cache, {1, 2}), 10);
  EXPECT_EQ(Find(cache, {1}), 0);
  EXPECT_EQ(Find(cache, {3, 2}), 0);
  const PrefixCacheStats stats = cache.stats();
  EXPECT_EQ(stats.lookups, 6);
  EXPECT_EQ(stats.hit_tokens, 4 + 4 + 2 + 2);
  EXPECT_EQ(stats.missed_tokens, 1 + 0 + 2 + 0 + 1 + 2);
  EXPECT_EQ(stats.entries, 3);
}

TEST(PrefixCacheTest, ComparesTokensInFullWhereHashesCollide) {
  PrefixCacheOptions options = Options(kPlenty);
  options.hash_mask = 0;
  PrefixCache cache(SmallShape(), options);
  Insert(cache, {1, 2, 3}, 10);
  Insert(cache, {1, 2, 4}, 20);
  Insert(cache, {1, 2, 3}, 30, {"other", {}, {}});
  EXPECT_EQ(Find(cache, {1, 2, 3, 5}), 10);
  EXPECT_EQ(Find(cache, {1, 2, 4, 5}), 20);
  EXPECT_EQ(Find(cache, {1, 2, 3, 5}, {"other", {}, {}}), 30);
  EXPECT_EQ(Find(cache, {1, 2, 5}), 0);
  EXPECT_EQ(Find(cache, {1, 2, 4, 5}, {"other", {}, {}}), 0);
}

TEST(PrefixCacheTest, KeepsKindsOfPassesApart) {
  const std::vector<PassKind> kinds = {{},
                                       {"a", {}, {}},
                                       {"b", {}, {}},
                                       {"", {1, 0}, {true, false}},
                                       {"", {0, 1}, {true, false}},
                                       {"", {1, 0}, {false, true}},
                                       {"a", {1, 0}, {true, false}}};
  PrefixCache cache(SmallShape(), Options(kPlenty));
  for (size_t i = 0; i < kinds.size(); ++i) {
    EXPECT_EQ(Find(cache, {5, 6}, kinds[i]), 0) << i;
    Insert(cache, {5, 6}, static_cast<float>(i + 1), kinds[i]);
  }
  for (size_t i = 0; i < kinds.size(); ++i) {
    EXPECT_EQ(Find(cache, {5, 6}, kinds[i]), static_cast<float>(i + 1));
  }
}

// Tokens of the hit for a pass over 6 tokens with entries of 2, 4 and 6.
int64_t HitTokens(PrefixCache& cache, NeededRows needed) {
  const auto hit = cache.Find({}, Tokens{1, 2, 3, 4, 5, 6}, needed);
  return hit.has_value() ? hit->tokens : 0;
}

TEST(PrefixCacheTest, AHitEndsBeforeTheFirstRowThatIsNeeded) {
  PrefixCache cache(SmallShape(), Options(kPlenty));
  Insert(cache, {1, 2}, 10);
  Insert(cache, {1, 2, 3, 4}, 20);
  Insert(cache, {1, 2, 3, 4, 5, 6}, 30);
  EXPECT_EQ(HitTokens(cache, {.logits = 6, .others = 6}), 6);
  EXPECT_EQ(HitTokens(cache, {.logits = 5, .others = 6}), 4);
  EXPECT_EQ(HitTokens(cache, {.logits = 4, .others = 6}), 4);
  EXPECT_EQ(HitTokens(cache, {.logits = 3, .others = 6}), 2);
  EXPECT_EQ(HitTokens(cache, {.logits = 0, .others = 6}), 0);
  EXPECT_EQ(HitTokens(cache, {.logits = 6, .others = 5}), 4);
  EXPECT_EQ(HitTokens(cache, {.logits = 6, .others = 4}), 4);
  EXPECT_EQ(HitTokens(cache, {.logits = 6, .others = 1}), 0);
}

TEST(PrefixCacheTest, AHitGoesPastTheRowThatTheEntryHolds) {
  PrefixCache cache(SmallShape(), Options(kPlenty));
  Insert(cache, {1, 2}, 10);
  const LogitsRow row = Row(3);
  cache.Insert({}, Tokens{1, 2, 3, 4}, Stamped(20), &row);
  EXPECT_EQ(HitTokens(cache, {.logits = 3, .others = 6}), 4);
  EXPECT_EQ(HitTokens(cache, {.logits = 2, .others = 6}), 2) << "the entry's row is another";
  EXPECT_EQ(HitTokens(cache, {.logits = 3, .others = 4}), 4);
  EXPECT_EQ(HitTokens(cache, {.logits = 3, .others = 3}), 2) << "a second row is needed";
  const auto hit = cache.Find({}, Tokens{1, 2, 3, 4}, {.logits = 3, .others = 4});
  ASSERT_TRUE(hit.has_value() && hit->row != nullptr);
  EXPECT_EQ(hit->row->values, row.values);
  EXPECT_EQ(cache.Find({}, Tokens{1, 2}, {.logits = 2, .others = 2})->row, nullptr);
}

TEST(PrefixCacheTest, AnEntryTakesTheRowThatComesLater) {
  PrefixCache cache(SmallShape(), Options(kPlenty));
  Insert(cache, {1, 2}, 10);
  for (const int64_t index : {1, 0}) {
    const LogitsRow row = Row(index);
    cache.Insert({}, Tokens{1, 2}, Stamped(10), &row);
    EXPECT_EQ(cache.stats().bytes, BytesOfOne({1, 2}, &row));
    const auto hit = cache.Find({}, Tokens{1, 2}, {.logits = index, .others = 2});
    ASSERT_TRUE(hit.has_value());
    EXPECT_EQ(hit->row->values, row.values);
  }
  Insert(cache, {1, 2}, 10);
  EXPECT_TRUE(cache.Find({}, Tokens{1, 2}, {.logits = 0, .others = 2}).has_value())
      << "storing it again without a row takes none away";
  EXPECT_EQ(cache.stats().entries, 1);
}

TEST(PrefixCacheTest, WhatWasUsedLongestAgoGoesFirst) {
  PrefixCache cache(SmallShape(), Options(3 * BytesOfOne({1, 1})));
  Insert(cache, {1, 1}, 10);
  Insert(cache, {2, 2}, 20);
  Insert(cache, {3, 3}, 30);
  EXPECT_EQ(Find(cache, {1, 1}), 10);
  Insert(cache, {2, 2}, 20);
  Insert(cache, {4, 4}, 40);
  EXPECT_EQ(Find(cache, {3, 3}), 0) << "neither found nor stored again since";
  EXPECT_EQ(Find(cache, {1, 1}), 10);
  EXPECT_EQ(Find(cache, {2, 2}), 20);
  EXPECT_EQ(Find(cache, {4, 4}), 40);
  EXPECT_EQ(cache.stats().evictions, 1);
  EXPECT_EQ(cache.stats().entries, 3);
}

TEST(PrefixCacheTest, ARowThatDoesNotFitBesideTheOthersEvictsThem) {
  const LogitsRow row = Row(1);
  PrefixCache cache(SmallShape(), Options(2 * BytesOfOne({1, 1})));
  Insert(cache, {1, 1}, 10);
  Insert(cache, {2, 2}, 20);
  cache.Insert({}, Tokens{2, 2}, Stamped(20), &row);
  EXPECT_EQ(cache.stats().entries, 1);
  EXPECT_TRUE(cache.Find({}, Tokens{2, 2}, {.logits = 1, .others = 2}).has_value());

  PrefixCache small(SmallShape(), Options(BytesOfOne({1, 1})));
  Insert(small, {1, 1}, 10);
  small.Insert({}, Tokens{1, 1}, Stamped(10), &row);
  EXPECT_EQ(small.stats().entries, 1) << "the row alone is left out";
  EXPECT_FALSE(small.Find({}, Tokens{1, 1}, {.logits = 1, .others = 2}).has_value());
}

TEST(PrefixCacheTest, StoresNothingThatIsLargerThanItself) {
  for (const int64_t max_bytes : {int64_t{0}, BytesOfOne({1, 2}) - 1}) {
    PrefixCache cache(SmallShape(), Options(max_bytes));
    Insert(cache, {1, 2}, 10);
    EXPECT_EQ(Find(cache, {1, 2}), 0);
    EXPECT_EQ(cache.stats().entries, 0);
    EXPECT_EQ(cache.stats().evictions, 0);
  }
  PrefixCache cache(SmallShape(), Options(BytesOfOne({1, 2})));
  Insert(cache, {1, 2}, 10);
  Insert(cache, {1, 2, 3}, 20);
  EXPECT_EQ(Find(cache, {1, 2, 3}), 10) << "what is there stays";
}

TEST(PrefixCacheTest, ItsBytesAreThoseOfTheMemoryThatItTakes) {
  constexpr int kEntries = 500;
  PrefixCache cache(SmallShape(), Options(kPlenty));
  const LogitsRow row = Row(1);
  const PassKind kind = {std::string(70, 'a'), Tokens(300), std::vector<bool>(2)};
  const model::SequenceState state = Stamped(1);
  const size_t before = mallinfo2().uordblks;
  for (int i = 0; i < kEntries; ++i) {
    cache.Insert(i % 2 == 0 ? PassKind() : kind, Tokens(300, i), state, &row);
  }
  const auto taken = static_cast<int64_t>(mallinfo2().uordblks - before);
  EXPECT_GE(cache.stats().bytes, taken);
#ifdef __SANITIZE_ADDRESS__
  // Its allocator tells nothing to mallinfo2.
#elif !defined(__SANITIZE_THREAD__)
  EXPECT_LE(static_cast<double>(cache.stats().bytes), 1.1 * static_cast<double>(taken));
#endif
}

// The same rules, written down as slowly as they are said.
class PlainCache {
 public:
  explicit PlainCache(int64_t max_bytes) : max_bytes_(max_bytes) {}

  struct Entry {
    PassKind kind;
    Tokens tokens;
    float stamp;
    int64_t row;
    int64_t bytes;
  };

  // The place of the entry, -1 for none; it moves to the front.
  const Entry* Find(const PassKind& kind, const Tokens& tokens, const NeededRows& needed) {
    int best = -1;
    for (size_t i = 0; i < entries_.size(); ++i) {
      const Entry& entry = entries_[i];
      const auto length = static_cast<int64_t>(entry.tokens.size());
      bool fits = entry.kind == kind && entry.tokens.size() <= tokens.size();
      for (size_t k = 0; fits && k < entry.tokens.size(); ++k) {
        fits = entry.tokens[k] == tokens[k];
      }
      fits = fits && length <= needed.others;
      fits = fits && (needed.logits >= length || needed.logits == entry.row);
      if (fits &&
          (best < 0 || entry.tokens.size() > entries_[static_cast<size_t>(best)].tokens.size())) {
        best = static_cast<int>(i);
      }
    }
    if (best < 0) return nullptr;
    ToFront(static_cast<size_t>(best));
    return &entries_.front();
  }

  void Insert(Entry entry) {
    for (size_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].kind != entry.kind || entries_[i].tokens != entry.tokens) continue;
      ToFront(i);
      if (entry.row < 0 || entry.row == entries_.front().row) return;
      if (entry.bytes > max_bytes_) return;
      entries_.front() = entry;
      return Shrink();
    }
    if (entry.bytes > max_bytes_) return;
    entries_.insert(entries_.begin(), entry);
    Shrink();
  }

  int64_t bytes() const {
    int64_t sum = 0;
    for (const Entry& entry : entries_) sum += entry.bytes;
    return sum;
  }
  int64_t entries() const { return static_cast<int64_t>(entries_.size()); }

 private:
  void ToFront(size_t i) {
    const Entry entry = entries_[i];
    entries_.erase(entries_.begin() + static_cast<int64_t>(i));
    entries_.insert(entries_.begin(), entry);
  }
  void Shrink() {
    while (bytes() > max_bytes_) entries_.pop_back();
  }

  const int64_t max_bytes_;
  std::vector<Entry> entries_;
};

// 20,000 random finds and inserts over few tokens, so that prefixes are shared.
void ExpectActsAsPlainCache(uint64_t hash_mask, uint32_t seed) {
  std::mt19937 random(seed);
  const auto below = [&](uint32_t n) { return static_cast<int64_t>(random() % n); };
  PrefixCacheOptions options = Options(20 * BytesOfOne({1, 1, 1}));
  options.hash_mask = hash_mask;
  PrefixCache cache(SmallShape(), options);
  PlainCache plain(options.max_bytes);
  const std::vector<PassKind> kinds = {{}, {"a", {}, {}}, {"", {1, 0}, {true, false}}};
  int64_t hits = 0;
  for (int i = 1; i <= 20'000; ++i) {
    const PassKind& kind = kinds[static_cast<size_t>(below(3))];
    Tokens tokens(static_cast<size_t>(1 + below(7)));
    for (int32_t& token : tokens) token = static_cast<int32_t>(below(2));
    const auto size = static_cast<uint32_t>(tokens.size());
    if (below(2) == 0) {
      const LogitsRow row = Row(below(size));
      const bool with_row = below(2) == 0;
      const auto stamp = static_cast<float>(i);
      const float known = Find(cache, tokens, kind);
      const PlainCache::Entry* same = plain.Find(kind, tokens, Nothing(tokens));
      // What an entry holds never changes: the state is a function of kind and tokens.
      const bool is_same = same != nullptr && same->tokens == tokens;
      const float kept = is_same ? known : stamp;
      cache.Insert(kind, tokens, Stamped(kept), with_row ? &row : nullptr);
      PrefixCache one(SmallShape(), Options(kPlenty));
      one.Insert(kind, tokens, Stamped(kept), with_row ? &row : nullptr);
      plain.Insert({kind, tokens, kept, with_row ? row.index : -1, one.stats().bytes});
    } else {
      const NeededRows needed = {below(size + 1), below(size + 1)};
      const auto hit = cache.Find(kind, tokens, needed);
      const PlainCache::Entry* expected = plain.Find(kind, tokens, needed);
      ASSERT_EQ(hit.has_value(), expected != nullptr) << "round " << i;
      if (expected != nullptr) {
        ++hits;
        ASSERT_EQ(hit->tokens, static_cast<int64_t>(expected->tokens.size()));
        ASSERT_EQ(StampOf(*hit->state), expected->stamp);
        ASSERT_EQ(hit->row == nullptr ? -1 : hit->row->index, expected->row);
        if (hit->row != nullptr) {
          ASSERT_EQ(hit->row->values, Row(expected->row).values);
        }
      }
    }
    ASSERT_EQ(cache.stats().bytes, plain.bytes()) << "round " << i;
    ASSERT_EQ(cache.stats().entries, plain.entries());
    ASSERT_LE(cache.stats().bytes, options.max_bytes);
  }
  EXPECT_GT(hits, 1000);
  EXPECT_GT(cache.stats().evictions, 1000);
}

TEST(PrefixCacheTest, ActsAsTheRulesSayUnderRandomTraffic) {
  for (const uint64_t hash_mask : {~uint64_t{0}, uint64_t{3}, uint64_t{0}}) {
    ExpectActsAsPlainCache(hash_mask, /*seed=*/static_cast<uint32_t>(hash_mask) + 1);
  }
}

}  // namespace
}  // namespace scanserve::runtime
