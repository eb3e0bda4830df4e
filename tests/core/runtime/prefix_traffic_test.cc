// The prefix cache under requests of all kinds at once, with room for all of them and for few.
#include <gtest/gtest.h>

#include "tests/core/runtime/cached_engine.h"

namespace scanserve::runtime {
namespace {

// Requests that share beginnings, of every kind and under every setting.
AnyRequest RandomRequest(std::mt19937& random) {
  const auto below = [&](uint32_t n) { return static_cast<int64_t>(random() % n); };
  static const std::vector<AppliedScan> scans = [] {
    std::mt19937 fixed(3);
    const auto order = RandomOrder(30, fixed);
    return std::vector<AppliedScan>{{},
                                    {order, {}},
                                    {order, {}, order::Readout::kPinLast},
                                    {LastFirst(48), {}},
                                    {order, {0, 2}}};
  }();
  static const auto adapter = LoadAdapter(kTiny, "all_modules", TinyModel()->config);
  const Tokens tokens = Joined(SomeTokens(16 * below(4), 11),
                               SomeTokens(1 + below(40), static_cast<uint32_t>(below(3))));
  const auto length = static_cast<int64_t>(tokens.size());
  const AppliedScan& scan = scans[static_cast<size_t>(below(5))];
  AnyRequest request = Generation(tokens, scan);
  if (below(3) == 0) request = Scoring(tokens, std::max<int64_t>(1, length - 3), scan);
  if (below(3) == 0) request = Extraction(tokens, length * 3 / 4, scan);
  const auto set = [&](auto& any) { any.basics.adapter = below(3) == 0 ? adapter : nullptr; };
  std::visit(set, request);
  if (auto* generation = std::get_if<GenerateRequest>(&request)) {
    generation->sampling.temperature = below(2) == 0 ? 0.0F : 1.0F;
  }
  return request;
}

TEST(PrefixTrafficTest, AnswersAreColdOnesAndTheBytesAreKept) {
  std::mt19937 random(12);
  std::vector<AnyRequest> requests;
  std::vector<std::string> cold;
  for (int i = 0; i < 120; ++i) {
    requests.push_back(RandomRequest(random));
    cold.push_back(ColdBits(requests.back()));
  }
  // Room for few states, and for all.
  for (const int64_t bytes : {int64_t{200'000}, int64_t{1} << 26}) {
    EngineOptions options = WithCache(bytes);
    options.state_slots = 5;
    CachedEngine cached(options);
    for (int round = 0; round < 2; ++round) {
      std::vector<std::shared_ptr<RequestStream>> streams;
      for (const AnyRequest& request : requests) {
        streams.push_back(Submit(cached.engine(), request));
      }
      for (size_t i = 0; i < streams.size(); ++i) {
        ASSERT_TRUE(Bits(Collect(*streams[i])) == cold[i]) << "request " << i;
        ASSERT_LE(cached.stats().bytes, bytes);
      }
    }
    EXPECT_GT(cached.stats().hit_tokens, 1000);
    EXPECT_EQ(cached.stats().evictions > 100, bytes == 200'000);
    EXPECT_EQ(cached.engine().stats().slots_used, 0);
  }
}

}  // namespace
}  // namespace scanserve::runtime
