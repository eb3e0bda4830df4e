#include "server/hidden_state_chunks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "server/convert_extraction.h"

namespace scanserve::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

float FromBits(uint32_t bits) { return std::bit_cast<float>(bits); }

TEST(RoundToBfloat16Test, RoundsToTheNearestAndTiesToEven) {
  EXPECT_EQ(RoundToBfloat16(1.0F), 0x3F80);
  EXPECT_EQ(RoundToBfloat16(FromBits(0x3F808000)), 0x3F80);  // tie, even below
  EXPECT_EQ(RoundToBfloat16(FromBits(0x3F818000)), 0x3F82);  // tie, even above
  EXPECT_EQ(RoundToBfloat16(FromBits(0x3F808001)), 0x3F81);
  EXPECT_EQ(RoundToBfloat16(FromBits(0xBF808001)), 0xBF81);
  EXPECT_EQ(RoundToBfloat16(std::numeric_limits<float>::max()), 0x7F80);
  EXPECT_EQ(RoundToBfloat16(-std::numeric_limits<float>::infinity()), 0xFF80);
}

TEST(RoundToBfloat16Test, KeepsNanANan) {
  // Its payload is all in the bits that go: plain rounding would make it infinity or zero.
  for (const uint32_t bits : {0x7F800001u, 0x7FFFFFFFu, 0xFF800001u}) {
    const uint16_t rounded = RoundToBfloat16(FromBits(bits));
    EXPECT_TRUE(std::isnan(FromBits(uint32_t{rounded} << 16))) << bits;
  }
}

TEST(HiddenStateChunksTest, CutsEachLayerIntoWholeRows) {
  HiddenStateShape shape;
  shape.layers = {3, 7};
  shape.begin_position = 10;
  shape.rows = 5;
  shape.hidden_size = 2;
  auto values = std::make_shared<std::vector<float>>(20);
  std::iota(values->begin(), values->end(), 0.0F);
  // Two rows of two floats, and a byte too few for a third.
  HiddenStateChunks chunks(shape, values, 23);
  std::vector<int64_t> begins;
  std::vector<int64_t> rows;
  std::string data;
  v1::HiddenStatesChunk chunk;
  while (chunks.Next(&chunk)) {
    EXPECT_EQ(chunk.layer(), begins.size() < 3 ? 3 : 7);
    EXPECT_LE(chunk.data().size(), 23u);
    begins.push_back(chunk.begin_position());
    rows.push_back(chunk.rows());
    data += chunk.data();
    chunk.Clear();
  }
  EXPECT_THAT(begins, ElementsAre(10, 12, 14, 10, 12, 14));
  EXPECT_THAT(rows, ElementsAre(2, 2, 1, 2, 2, 1));
  ASSERT_EQ(data.size(), 80u);
  EXPECT_EQ(std::memcmp(data.data(), values->data(), 80), 0);
}

TEST(HiddenStateChunksTest, TheFinalNormHasNoLayer) {
  HiddenStateShape shape;
  shape.rows = 1;
  shape.hidden_size = 1;
  shape.type = v1::HIDDEN_STATE_TYPE_BFLOAT16;
  HiddenStateChunks chunks(shape, std::make_shared<std::vector<float>>(1, 1.0F), 100);
  v1::HiddenStatesChunk chunk;
  ASSERT_TRUE(chunks.Next(&chunk));
  EXPECT_FALSE(chunk.has_layer());
  EXPECT_EQ(chunk.data(), std::string("\x80\x3F", 2));
  EXPECT_FALSE(chunks.Next(&chunk));
}

class ConvertExtractionTest : public testing::Test {
 protected:
  ConvertExtractionTest() { config_.num_layers = 12; }

  std::string Message(const v1::ExtractHiddenStatesRequest& request) {
    return std::string(ExtractionFromProto(request, config_).status().message());
  }

  model::MambaConfig config_;
};

TEST_F(ConvertExtractionTest, TakesTheLastMixersInputByDefault) {
  const auto choice = ExtractionFromProto({}, config_);
  ASSERT_TRUE(choice.ok());
  EXPECT_EQ(choice->kind, runtime::HiddenStateKind::kMixerInput);
  EXPECT_THAT(choice->layers, ElementsAre(11));
  const auto shape = ExtractionShape({}, *choice, 30, 256, 1 << 20);
  ASSERT_TRUE(shape.ok());
  EXPECT_EQ(shape->rows, 30);
}

TEST_F(ConvertExtractionTest, RefusesLayersByName) {
  v1::ExtractHiddenStatesRequest request;
  request.add_layers(12);
  EXPECT_THAT(Message(request), HasSubstr("layers: 12"));
  request.set_layers(0, 3);
  request.add_layers(3);
  EXPECT_THAT(Message(request), HasSubstr("ascend"));
  request.set_kind(v1::HIDDEN_STATE_KIND_FINAL_NORM);
  request.set_layers(1, 4);
  EXPECT_THAT(Message(request), HasSubstr("FINAL_NORM"));
}

TEST_F(ConvertExtractionTest, RefusesRangesAndAnswersThatAreTooLarge) {
  v1::ExtractHiddenStatesRequest request;
  const ExtractionChoice choice = *ExtractionFromProto(request, config_);
  EXPECT_TRUE(ExtractionShape(request, choice, 4, 256, 4096).ok());
  EXPECT_THAT(ExtractionShape(request, choice, 5, 256, 5119).status().message(),
              HasSubstr("5120 bytes"));
  request.set_begin_position(4);
  EXPECT_THAT(ExtractionShape(request, choice, 4, 256, 4096).status().message(),
              HasSubstr("begin_position: 4"));
  request.set_end_position(5);
  EXPECT_THAT(ExtractionShape(request, choice, 4, 256, 4096).status().message(),
              HasSubstr("end_position: 5"));
}

}  // namespace
}  // namespace scanserve::server
