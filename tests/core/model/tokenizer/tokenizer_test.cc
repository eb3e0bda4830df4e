#include "core/model/tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/core/model/tokenizer/golden_file.h"

namespace scanserve::model {
namespace {

using testing::HasSubstr;

TEST(TokenizerTest, RefusesInvalidUtf8WithItsOffset) {
  const auto ids = LoadDocument(BaseDocument("scanserve-6m"))->Encode("caf\xC3\xA9 \xC3(");
  EXPECT_EQ(ids.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(ids.status().message()), HasSubstr("byte offset 6"));
}

TEST(TokenizerTest, KnowsItsTokens) {
  const auto tokenizer = LoadDocument(BaseDocument("gpt-neox-20b"));
  EXPECT_EQ(tokenizer->vocab_size(), 50277);
  EXPECT_EQ(tokenizer->IdOf("<|padding|>"), 1);
  EXPECT_EQ(tokenizer->IdOf("  "), 50276);
  EXPECT_EQ(tokenizer->IdOf("no such token"), std::nullopt);
  EXPECT_TRUE(tokenizer->IsSpecial(0));
  EXPECT_FALSE(tokenizer->IsSpecial(50276)) << "added, but not special";
  EXPECT_TRUE(tokenizer->HasToken(50276));
  for (const int32_t id : {-1, 50277, INT32_MAX, INT32_MIN}) {
    EXPECT_FALSE(tokenizer->HasToken(id));
    EXPECT_FALSE(tokenizer->IsSpecial(id));
    EXPECT_EQ(tokenizer->TokenBytes(id), "");
  }
  EXPECT_EQ(tokenizer->TokenBytes(127), "\xC3") << "bytes, not text";
  EXPECT_EQ(tokenizer->TokenBytes(*tokenizer->IdOf("\xC4\xA0the")), " the");
}

TEST(TokenizerTest, AHoleInTheVocabularyIsNoToken) {
  nlohmann::json document = BaseDocument("scanserve-6m");
  document["model"]["vocab"]["far away"] = 9000;
  const auto tokenizer = LoadDocument(document);
  EXPECT_EQ(tokenizer->vocab_size(), 9001);
  EXPECT_TRUE(tokenizer->HasToken(9000));
  EXPECT_FALSE(tokenizer->HasToken(8999));
}

TEST(TokenizerTest, DoesNotApplyTruncationPaddingOrPostProcessing) {
  nlohmann::json document = BaseDocument("scanserve-6m");
  document["truncation"] = {{"max_length", 1}};
  document["padding"] = {{"length", 9}};
  document["post_processor"] = {{"type", "Sequence"},
                                {"processors", {{{"type", "TemplateProcessing"}}}}};
  const auto tokenizer = LoadDocument(document);
  const auto plain = LoadDocument(BaseDocument("scanserve-6m"));
  EXPECT_EQ(tokenizer->Encode("a b c").value(), plain->Encode("a b c").value());
  EXPECT_EQ(tokenizer->digest(), plain->digest());
}

TEST(TokenizerTest, TheDigestChangesWithWhatChangesTheIds) {
  const nlohmann::json base = BaseDocument("scanserve-6m");
  const std::string digest = LoadDocument(base)->digest();
  EXPECT_EQ(digest.size(), 64u);
  EXPECT_EQ(Tokenizer::FromJson(base.dump(4)).value()->digest(), digest) << "layout does not count";

  nlohmann::json pairs_as_text = base;
  for (nlohmann::json& merge : pairs_as_text["model"]["merges"]) {
    if (merge.is_array()) merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  }
  EXPECT_EQ(LoadDocument(pairs_as_text)->digest(), digest);

  std::vector<nlohmann::json> changed(7, base);
  changed[0]["normalizer"]["type"] = "NFD";
  changed[1]["pre_tokenizer"]["add_prefix_space"] = true;
  changed[2]["pre_tokenizer"]["use_regex"] = false;
  changed[3]["added_tokens"][1]["lstrip"] = true;
  changed[4]["added_tokens"][1]["special"] = false;
  std::swap(changed[5]["model"]["merges"][0], changed[5]["model"]["merges"][1]);
  std::swap(changed[6]["model"]["vocab"]["a"], changed[6]["model"]["vocab"]["b"]);
  for (size_t i = 0; i < changed.size(); ++i) {
    EXPECT_NE(LoadDocument(changed[i])->digest(), digest) << "change " << i;
  }
}

// The two published tokenizers, so that a digest never changes unnoticed.
TEST(TokenizerTest, DigestsAreStable) {
  EXPECT_EQ(LoadDocument(BaseDocument("scanserve-6m"))->digest(),
            "fac8fc4cf8420c2b933e71b13674f93320baa2d9be72e4ad6e59b60f2710f50a");
  EXPECT_EQ(LoadDocument(BaseDocument("gpt-neox-20b"))->digest(),
            "97cdc41b7f7dbb8d1a3b5617f0bd39638b129b0aeb8dfa536c75adf3574d9546");
}

TEST(TokenizerTest, ThreadsShareOneTokenizer) {
  nlohmann::json document = BaseDocument("scanserve-6m");
  document["pre_tokenizer"] = {{"type", "Sequence"},
                               {"pretokenizers",
                                {{{"type", "Split"},
                                  {"pattern", {{"Regex", "\\p{N}{1,3}"}}},
                                  {"behavior", "Isolated"},
                                  {"invert", false}},
                                 document["pre_tokenizer"]}}};
  const auto tokenizer = LoadDocument(document);
  const std::string text = ReadSource("tests/data/wikitext-2/wiki.test.raw").substr(0, 50000);
  const auto expected = tokenizer->Encode(text).value();
  std::vector<std::vector<int32_t>> results(4);
  std::vector<std::thread> threads;
  for (auto& result : results) {
    threads.emplace_back([&] { result = tokenizer->Encode(text).value(); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : results) EXPECT_EQ(result, expected);
}

}  // namespace
}  // namespace scanserve::model
