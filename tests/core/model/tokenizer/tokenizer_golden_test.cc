// Ids and texts equal those that the `tokenizers` library gave (tests/golden/tokenizer).
#include <gtest/gtest.h>

#include <algorithm>

#include "core/model/tokenizer/utf8.h"
#include "tests/core/model/tokenizer/golden_file.h"

namespace scanserve::model {
namespace {

using Ids = std::vector<int32_t>;

TEST(TokenizerGoldenTest, EncodesAndDecodesHardTextsAsTheReference) {
  const nlohmann::json golden = ReadGolden("encodings.json");
  for (const nlohmann::json& golden_case : golden["cases"]) {
    SCOPED_TRACE(golden_case["name"].get<std::string>());
    const auto tokenizer = LoadCase(golden_case);
    for (const nlohmann::json& expected : golden_case["encodings"]) {
      const std::string text = expected["text"].get<std::string>();
      const auto ids = tokenizer->Encode(text);
      ASSERT_TRUE(ids.ok()) << ids.status() << expected["text"].dump(-1, ' ', true);
      EXPECT_EQ(*ids, expected["ids"].get<Ids>()) << expected["text"].dump(-1, ' ', true);
      EXPECT_EQ(tokenizer->Decode(*ids, false), expected["decoded"].get<std::string>());
      EXPECT_EQ(tokenizer->Decode(*ids, true), expected["skipped"].get<std::string>());
    }
  }
}

TEST(TokenizerGoldenTest, EncodesAWholeBookAsTheReference) {
  const nlohmann::json golden = ReadGolden("whole_text.json");
  const std::string text = ReadSource(golden["text"].get<std::string>());
  const auto block = golden["block"].get<std::ptrdiff_t>();
  for (const auto& [name, expected] : golden["tokenizers"].items()) {
    SCOPED_TRACE(name);
    const auto ids = LoadDocument(BaseDocument(name))->Encode(text);
    ASSERT_TRUE(ids.ok());
    ASSERT_EQ(ids->size(), expected["count"].get<size_t>());
    auto begin = ids->begin();
    for (const nlohmann::json& digest : expected["blocks"]) {
      const auto end = begin + std::min(block, ids->end() - begin);
      ASSERT_EQ(DigestOfIds({Ids(begin, end)}), digest.get<std::string>())
          << "within the ids from " << begin - ids->begin();
      begin = end;
    }
  }
}

TEST(TokenizerGoldenTest, DecodesRandomIdsAsTheReference) {
  const nlohmann::json golden = ReadGolden("decodings.json");
  for (const std::string name : {"scanserve-6m", "gpt-neox-20b"}) {
    const auto tokenizer = LoadDocument(BaseDocument(name));
    for (const nlohmann::json& expected : golden["decodings"]) {
      if (expected["base"] != name) continue;
      const Ids ids = expected["ids"].get<Ids>();
      EXPECT_EQ(tokenizer->Decode(ids, false), expected["decoded"].get<std::string>());
      EXPECT_EQ(tokenizer->Decode(ids, true), expected["skipped"].get<std::string>());
    }
  }
}

// Draws the texts that make_goldens.py drew.
class TextSource {
 public:
  TextSource(uint64_t seed, const nlohmann::json& pools) : state_(seed), pools_(pools) {}

  std::string Next() {
    std::vector<uint32_t> chosen(0);
    const uint32_t last = static_cast<uint32_t>(pools_.size());
    const uint32_t kinds = 1 + Below(4);
    for (uint32_t i = 0; i < kinds; ++i) chosen.push_back(Below(last));
    std::string text;
    const uint32_t length = 1 + Below(40);
    for (uint32_t i = 0; i < length; ++i) {
      const nlohmann::json& pool = pools_[chosen[Below(kinds)]];
      const uint32_t first = pool[0];
      AppendUtf8(first + Below(pool[1].get<uint32_t>() - first + 1), &text);
    }
    return text;
  }

 private:
  uint32_t Below(uint32_t limit) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>((state_ >> 33) % limit);
  }

  uint64_t state_;
  const nlohmann::json& pools_;
};

TEST(TokenizerGoldenTest, EncodesRandomUnicodeAsTheReference) {
  const nlohmann::json golden = ReadGolden("random_texts.json");
  for (const nlohmann::json& golden_case : golden["cases"]) {
    SCOPED_TRACE(golden_case["name"].get<std::string>());
    const auto tokenizer = LoadCase(golden_case);
    TextSource source(golden_case["seed"].get<uint64_t>(), golden["pools"]);
    for (const nlohmann::json& digest : golden_case["blocks"]) {
      std::vector<Ids> block;
      std::string texts;
      for (int i = 0; i < golden["block"].get<int>(); ++i) {
        const std::string text = source.Next();
        texts += nlohmann::json(text).dump(-1, ' ', true) + "\n";
        block.push_back(tokenizer->Encode(text).value());
      }
      ASSERT_EQ(DigestOfIds(block), digest.get<std::string>()) << "one of\n" << texts;
    }
  }
}

}  // namespace
}  // namespace scanserve::model
