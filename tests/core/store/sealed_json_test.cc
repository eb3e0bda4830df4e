#include "core/store/sealed_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace scanserve::store {
namespace {

using testing::HasSubstr;

const nlohmann::json& Sample() {
  static const nlohmann::json sample = {{"name", "wiki"},
                                        {"version", 12},
                                        {"length", 1e-7},
                                        {"layers", {0, 3}},
                                        {"nested", {{"checksum", "x"}, {"text", "h\u00e9 \"q\""}}}};
  return sample;
}

TEST(SealedJsonTest, ReadsWhatItWrote) {
  const nlohmann::json read = ParseSealed(SealedText(Sample())).value();
  for (const auto& [key, value] : Sample().items()) EXPECT_EQ(read.at(key), value) << key;
  EXPECT_TRUE(ParseSealed(SealedText(nlohmann::json::object())).ok());
}

TEST(SealedJsonTest, RefusesATextWithAnyByteAltered) {
  const std::string text = SealedText(Sample());
  const nlohmann::json whole = ParseSealed(text).value();
  for (size_t at = 0; at < text.size(); ++at) {
    for (const int flip : {0x01, 0x02, 0x03, 0x20, 0x80, 0xff}) {
      std::string altered = text;
      altered[at] = static_cast<char>(altered[at] ^ flip);
      const auto read = ParseSealed(altered);
      EXPECT_FALSE(read.ok()) << "byte " << at << " ^ " << flip << ":\n" << altered;
    }
  }
}

TEST(SealedJsonTest, RefusesATextThatLacksItsChecksum) {
  nlohmann::json object = ParseSealed(SealedText(Sample())).value();
  object.erase("checksum");
  EXPECT_THAT(ParseSealed(object.dump()).status().message(), HasSubstr("checksum"));
  object["format"] = 3;
  EXPECT_THAT(ParseSealed(object.dump()).status().message(), HasSubstr("format 3"));
  EXPECT_FALSE(ParseSealed("[]").ok());
  EXPECT_FALSE(ParseSealed("").ok());
}

TEST(SealedJsonTest, SealsALineAsItSealsAText) {
  const std::string line = SealedLine(Sample());
  EXPECT_EQ(line.find('\n'), line.npos);
  const nlohmann::json read = ParseSealedLine(line).value();
  for (const auto& [key, value] : Sample().items()) EXPECT_EQ(read.at(key), value) << key;
  for (size_t size = 0; size < line.size(); ++size) {
    EXPECT_FALSE(ParseSealedLine(line.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(ParseSealedLine(SealedText(Sample())).ok());
  EXPECT_FALSE(ParseSealedLine("{\"format\":1}").ok());
}

TEST(SealedJsonTest, ReplacesBadUtf8) {
  EXPECT_EQ(ParseSealedLine(SealedLine({{"name", "a\xFFz"}})).value().at("name"), "a\uFFFDz");
}

TEST(SealedJsonTest, ReadsFilesFromBeforeThereWasAChecksum) {
  EXPECT_EQ(ParseSealed(R"({"format": 1, "name": "old"})").value().at("name"), "old");
  EXPECT_FALSE(ParseSealed(R"({"format": 1, "name": "old", "checksum": "00"})").ok());
}

}  // namespace
}  // namespace scanserve::store
