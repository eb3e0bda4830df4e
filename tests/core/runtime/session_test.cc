#include "core/runtime/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "core/base/byte_codec.h"

namespace scanserve::runtime {
namespace {

using testing::HasSubstr;

model::MambaConfig SmallConfig() {
  model::MambaConfig config;
  config.vocab_size = 50;
  config.hidden_size = 4;
  config.inner_size = 8;
  config.state_size = 2;
  config.conv_kernel = 2;
  config.num_layers = 2;
  config.time_step_rank = 1;
  return config;
}

Session SmallSession() {
  auto state = std::make_shared<model::SequenceState>(SmallConfig());
  float value = 0.1F;
  for (float& x : state->floats()) x = value *= -1.01F;
  // Bits that == does not tell apart, or takes for unequal.
  state->floats()[0] = -0.0F;
  state->floats()[1] = std::nanf("7");
  Session session;
  session.state = state;
  session.tokens_read = int64_t{1} << 40;
  session.pending = {49, 0, 7};
  session.prompt_counts = {{0, 1}, {49, 2'000'000'000}};
  session.answer_counts = {{7, 3}};
  session.seed = UINT64_MAX;
  session.next_draw = 12;
  return session;
}

bool IsMalformed(absl::string_view bytes) {
  const auto session = DecodeSession(bytes, SmallConfig());
  return absl::IsInvalidArgument(session.status());
}

TEST(SessionTest, GivesBackEveryBit) {
  const Session session = SmallSession();
  const auto read = DecodeSession(EncodeSession(session), SmallConfig());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->tokens_read, session.tokens_read);
  EXPECT_EQ(read->pending, session.pending);
  EXPECT_EQ(read->prompt_counts, session.prompt_counts);
  EXPECT_EQ(read->answer_counts, session.answer_counts);
  EXPECT_EQ(read->seed, session.seed);
  EXPECT_EQ(read->next_draw, session.next_draw);
  ASSERT_EQ(read->state->bytes(), session.state->bytes());
  EXPECT_EQ(std::memcmp(read->state->floats().data(), session.state->floats().data(),
                        static_cast<size_t>(session.state->bytes())),
            0);
}

TEST(SessionTest, ItsSizeIsThatOfTheModelsStateAndLittleMore) {
  EXPECT_EQ(model::SequenceStateBytes(SmallConfig()), model::SequenceState(SmallConfig()).bytes());
  EXPECT_LT(EncodeSession(SmallSession()).size(),
            static_cast<size_t>(model::SequenceStateBytes(SmallConfig())) + 100);
}

TEST(SessionTest, RefusesEachLengthThatIsCutShortAndOneThatIsTooLong) {
  const std::string bytes = EncodeSession(SmallSession());
  for (size_t length = 0; length < bytes.size(); ++length) {
    ASSERT_TRUE(IsMalformed(bytes.substr(0, length))) << length;
  }
  EXPECT_TRUE(IsMalformed(bytes + '\0'));
}

TEST(SessionTest, ReadsOrRefusesWhateverByteIsFlipped) {
  const std::string bytes = EncodeSession(SmallSession());
  for (size_t place = 0; place < bytes.size(); ++place) {
    for (const int bit : {0, 7}) {
      std::string flipped = bytes;
      flipped[place] = static_cast<char>(flipped[place] ^ (1 << bit));
      const auto session = DecodeSession(flipped, SmallConfig());
      ASSERT_TRUE(session.ok() || absl::IsInvalidArgument(session.status())) << place;
      // What it takes, it took as it stands there.
      if (session.ok()) {
        ASSERT_EQ(EncodeSession(*session), flipped) << place;
      }
    }
  }
}

TEST(SessionTest, RefusesRandomBytesWhateverLengthsTheyClaim) {
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes(random() % 200, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    // Half of them get past the version.
    if (round % 2 == 0 && bytes.size() >= 4) std::memcpy(bytes.data(), "\1\0\0\0", 4);
    ASSERT_TRUE(IsMalformed(bytes));
  }
}

TEST(SessionTest, NamesWhatIsMalformed) {
  Session session = SmallSession();
  const auto refusal = [&](const Session& bad) {
    return std::string(DecodeSession(EncodeSession(bad), SmallConfig()).status().message());
  };
  session.pending = {50};
  EXPECT_THAT(refusal(session), HasSubstr("token 50, the model has 50"));
  session = SmallSession();
  session.answer_counts = {{-1, 1}};
  EXPECT_THAT(refusal(session), HasSubstr("the model has 50"));
  session.answer_counts = {{1, 0}};
  EXPECT_THAT(refusal(session), HasSubstr("a count of 0"));
  session.answer_counts = {{1, -1}};
  EXPECT_THAT(refusal(session), HasSubstr("a count of 4294967295"));
  session = SmallSession();
  session.tokens_read = -1;
  EXPECT_THAT(refusal(session), HasSubstr("a negative number of tokens"));
  model::MambaConfig larger = SmallConfig();
  larger.num_layers = 3;
  EXPECT_THAT(DecodeSession(EncodeSession(SmallSession()), larger).status().message(),
              HasSubstr("a state of 384 bytes, the model's has 576"));
  std::string version = EncodeSession(SmallSession());
  version[0] = 2;
  EXPECT_THAT(DecodeSession(version, SmallConfig()).status().message(),
              HasSubstr("format 2, this release reads 1"));
}

TEST(SessionTest, RefusesCountsThatDoNotAscend) {
  std::string bytes = EncodeSession(SmallSession());
  // After version, three 64-bit numbers, the pending tokens and the size of the prompt's counts.
  const size_t first = 4 + 3 * 8 + 4 + 3 * 4 + 4;
  bytes[first] = 49;
  EXPECT_THAT(DecodeSession(bytes, SmallConfig()).status().message(),
              HasSubstr("counts that do not ascend"));
}

}  // namespace
}  // namespace scanserve::runtime
