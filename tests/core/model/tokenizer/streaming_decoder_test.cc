#include "core/model/tokenizer/streaming_decoder.h"

#include <gtest/gtest.h>

#include "core/model/tokenizer/utf8.h"
#include "tests/core/model/tokenizer/golden_file.h"

namespace scanserve::model {
namespace {

class StreamingDecoderTest : public testing::Test {
 protected:
  int32_t ByteToken(char byte) const {
    for (int32_t id = 0; id < tokenizer_->vocab_size(); ++id) {
      if (tokenizer_->TokenBytes(id) == std::string_view(&byte, 1)) return id;
    }
    return -1;
  }

  const std::unique_ptr<const Tokenizer> tokenizer_ = LoadDocument(BaseDocument("scanserve-6m"));
};

TEST_F(StreamingDecoderTest, HoldsACharacterBackUntilItIsWhole) {
  StreamingDecoder decoder(*tokenizer_);
  EXPECT_EQ(decoder.Push(ByteToken('\xF0')), "");
  EXPECT_EQ(decoder.Push(ByteToken('\x9F')), "");
  EXPECT_EQ(decoder.Push(ByteToken('\x98')), "");
  EXPECT_EQ(decoder.Push(ByteToken('\x80')), "\xF0\x9F\x98\x80");
  EXPECT_EQ(decoder.Finish(), "");
}

TEST_F(StreamingDecoderTest, BytesThatStayIncompleteBecomeOneReplacement) {
  StreamingDecoder decoder(*tokenizer_);
  EXPECT_EQ(decoder.Push(ByteToken('\xF0')), "");
  EXPECT_EQ(decoder.Push(ByteToken('\x9F')), "");
  EXPECT_EQ(decoder.Finish(), "\xEF\xBF\xBD");
  EXPECT_EQ(decoder.Finish(), "") << "as new after the end";
}

TEST_F(StreamingDecoderTest, ASpecialTokenWithinACharacterGivesNothing) {
  StreamingDecoder decoder(*tokenizer_);
  EXPECT_EQ(decoder.Push(ByteToken('\xC3')), "");
  EXPECT_EQ(decoder.Push(*tokenizer_->IdOf("<|endoftext|>")), "");
  EXPECT_EQ(decoder.Push(-5), "");
  EXPECT_EQ(decoder.Push(ByteToken('\xA9')), "\xC3\xA9");
}

TEST_F(StreamingDecoderTest, BytesThatCannotBecomeACharacterAreNotHeldBack) {
  StreamingDecoder decoder(*tokenizer_);
  EXPECT_EQ(decoder.Push(ByteToken('\x80')), "\xEF\xBF\xBD");
  EXPECT_EQ(decoder.Push(ByteToken('\xE6')), "");
  EXPECT_EQ(decoder.Push(ByteToken('a')),
            "\xEF\xBF\xBD"
            "a");
}

TEST_F(StreamingDecoderTest, DeltasAreWholeCharactersAndJoinToTheDecodedText) {
  const nlohmann::json golden = ReadGolden("decodings.json");
  for (const nlohmann::json& expected : golden["decodings"]) {
    if (expected["base"] != "scanserve-6m") continue;
    StreamingDecoder decoder(*tokenizer_);
    std::string joined;
    for (const int32_t id : expected["ids"].get<std::vector<int32_t>>()) {
      const std::string delta = decoder.Push(id);
      EXPECT_EQ(FindInvalidUtf8(delta), std::nullopt);
      joined += delta;
    }
    joined += decoder.Finish();
    EXPECT_EQ(joined, expected["skipped"].get<std::string>());
  }
}

}  // namespace
}  // namespace scanserve::model
