#include "core/model/tokenizer/unicode_class.h"

#include <gtest/gtest.h>
#include <unicode/uchar.h>

#include <functional>

#include "tests/core/model/tokenizer/golden_file.h"

namespace scanserve::model {
namespace {

class UnicodeClassTest : public testing::Test {
 protected:
  // Compares over all code points.
  void ExpectClass(const char* name, const std::function<bool(char32_t)>& is_member) {
    std::vector<bool> expected(0x110000);
    for (const nlohmann::json& range : golden_[name]) {
      for (int c = range[0]; c <= range[1]; ++c) expected[c] = true;
    }
    for (char32_t c = 0; c < expected.size(); ++c) {
      if (c >= 0xD800 && c <= 0xDFFF) continue;
      EXPECT_EQ(is_member(c), expected[c]) << name << " U+" << std::hex << static_cast<uint32_t>(c);
    }
  }

  const nlohmann::json golden_ = ReadGolden("classes.json");
};

TEST_F(UnicodeClassTest, LettersNumbersAndSpacesAreThoseOfTheReference) {
  ExpectClass("letter", [](char32_t c) { return ClassOf(c) == CharacterClass::kLetter; });
  ExpectClass("number", [](char32_t c) { return ClassOf(c) == CharacterClass::kNumber; });
  ExpectClass("space", [](char32_t c) { return ClassOf(c) == CharacterClass::kSpace; });
  ExpectClass("space", IsWhiteSpace);
  ExpectClass("stripped", IsWhiteSpace);
}

TEST_F(UnicodeClassTest, WordCharactersAndDigitsAreThoseOfTheReference) {
  ExpectClass("word", IsWordCharacter);
  ExpectClass("numeric", IsNumeric);
}

TEST_F(UnicodeClassTest, StandInsKeepClassAndLength) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    const char32_t stand_in = StandIn(c);
    ASSERT_EQ(ClassOf(stand_in), ClassOf(c)) << static_cast<uint32_t>(c);
    ASSERT_EQ(stand_in < 0x10000, c < 0x10000);
    if (stand_in != c) {
      ASSERT_TRUE(u_isdefined(static_cast<UChar32>(stand_in)));
    }
  }
}

}  // namespace
}  // namespace scanserve::model
