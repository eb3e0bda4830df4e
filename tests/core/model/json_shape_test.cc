#include "core/model/json_shape.h"

#include <gtest/gtest.h>

namespace scanserve::model {
namespace {

std::string Nested(int levels) {
  return std::string(static_cast<size_t>(levels), '[') +
         std::string(static_cast<size_t>(levels), ']');
}

TEST(JsonShapeTest, CountsMembersAtAnyDepth) {
  const JsonShape shape = ReadJsonShape(R"({"a": {"b": [{"c": 1, "c": 2}], "{": "}"}, "e": null})");
  EXPECT_TRUE(shape.valid);
  EXPECT_EQ(shape.members, 6);
  EXPECT_FALSE(shape.repeated_key.has_value());
}

TEST(JsonShapeTest, NamesAKeyThatStandsInTheOutermostObjectTwice) {
  EXPECT_EQ(ReadJsonShape(R"({"a": 1, "b": 2, "\u0061": 3})").repeated_key, "a");
  EXPECT_EQ(ReadJsonShape(R"({"": 1, "": 2})").repeated_key, "");
  EXPECT_EQ(ReadJsonShape(R"([{"a": 1, "a": 2}])").repeated_key, std::nullopt);
}

TEST(JsonShapeTest, EndsAtTheFirstLevelPastTheDeepest) {
  EXPECT_TRUE(ReadJsonShape(Nested(kMaxJsonDepth)).valid);
  EXPECT_FALSE(ReadJsonShape(Nested(kMaxJsonDepth)).too_deep);
  EXPECT_TRUE(ReadJsonShape(Nested(kMaxJsonDepth + 1)).too_deep);
  EXPECT_FALSE(ReadJsonShape(Nested(kMaxJsonDepth + 1)).valid);
}

TEST(JsonShapeTest, RefusesWhatIsNoJson) {
  for (const std::string text : {"", "{", "{} {}", "{\"a\": 1,}", "[\"\xff\"]", "nul"}) {
    EXPECT_FALSE(ReadJsonShape(text).valid) << text;
  }
}

}  // namespace
}  // namespace scanserve::model
