#include "core/experiment/murmur3.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace scanserve::experiment {
namespace {

// Vectors that implementations of MurmurHash3_x86_32 share.
TEST(Murmur3Test, EqualsPublishedVectors) {
  struct Case {
    std::string key;
    uint32_t seed;
    uint32_t hash;
  };
  const std::vector<Case> cases = {
      {"", 0, 0},
      {"", 1, 0x514E28B7},
      {"", 0xffffffff, 0x81F16F39},
      {"\xff\xff\xff\xff", 0, 0x76293B50},
      {"\x21\x43\x65\x87", 0, 0xF55B516B},
      {"\x21\x43\x65\x87", 0x5082EDEE, 0x2362F9DE},
      {"\x21\x43\x65", 0, 0x7E4A8634},
      {"\x21\x43", 0, 0xA0F7B07A},
      {"\x21", 0, 0x72661CF4},
      {std::string(4, '\0'), 0, 0x2362F9DE},
      {std::string(3, '\0'), 0, 0x85F0B427},
      {std::string(2, '\0'), 0, 0x30F4C306},
      {std::string(1, '\0'), 0, 0x514E28B7},
      {"aaaa", 0x9747b28c, 0x5A97808A},
      {"abc", 0x9747b28c, 0xC84A62DD},
      {"Hello, world!", 0x9747b28c, 0x24884CBA},
      {"The quick brown fox jumps over the lazy dog", 0x9747b28c, 0x2FA826CD},
  };
  for (const auto& [key, seed, hash] : cases) {
    EXPECT_EQ(Murmur3(key, seed), hash) << key.size() << " bytes, seed " << seed;
  }
}

// flags/custom-ops.json of flagd's testbed: keys whose hashes are the ends and the middle of the
// range.
TEST(Murmur3Test, EqualsThePreimagesOfFlagd) {
  EXPECT_EQ(Murmur3("ejOoVL", 0), 0u);
  EXPECT_EQ(Murmur3("bY9fO-", 0), 1u);
  EXPECT_EQ(Murmur3("SI7p-", 0), 2147483647u);
  EXPECT_EQ(Murmur3("6LvT0", 0), 2147483648u);
  EXPECT_EQ(Murmur3("ceQdGm", 0), 4294967295u);
}

// Optimizely's tests/test_bucketing.py: floor(h / 2^32 * 10000), seed 1.
TEST(Murmur3Test, GivesTheBucketsOfOptimizely) {
  const auto bucket = [](const std::string& key) {
    return static_cast<int>(static_cast<double>(Murmur3(key, 1)) / 4294967296. * 10'000);
  };
  EXPECT_EQ(bucket("ppid11886780721"), 5254);
  EXPECT_EQ(bucket("ppid21886780721"), 4299);
  EXPECT_EQ(bucket("ppid21886780722"), 2434);
  EXPECT_EQ(bucket("ppid31886780721"), 5439);
}

}  // namespace
}  // namespace scanserve::experiment
