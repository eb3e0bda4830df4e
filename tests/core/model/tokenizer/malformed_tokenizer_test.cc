// Truncated and lying files are refused with a sentence that says what is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "tests/core/model/tokenizer/golden_file.h"

namespace scanserve::model {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

void ExpectRefused(const std::string& text, const std::string& complaint) {
  const auto tokenizer = Tokenizer::FromJson(text);
  ASSERT_FALSE(tokenizer.ok()) << "expected: " << complaint;
  EXPECT_EQ(tokenizer.status().code(), absl::StatusCode::kInvalidArgument);
  const std::string message(tokenizer.status().message());
  EXPECT_THAT(message, StartsWith("tokenizer.json: "));
  EXPECT_THAT(message, HasSubstr(complaint));
  EXPECT_LT(message.size(), 300u);
}

struct Fault {
  std::string complaint;
  std::function<void(json&)> apply;
};

// A change of one member, named by its JSON pointer.
Fault Set(const std::string& pointer, const json& value, const std::string& complaint) {
  return {complaint, [=](json& document) { document[json::json_pointer(pointer)] = value; }};
}
Fault Remove(const std::string& parent, const std::string& key, const std::string& complaint) {
  return {complaint, [=](json& document) { document[json::json_pointer(parent)].erase(key); }};
}
Fault Append(const std::string& pointer, const json& value, const std::string& complaint) {
  return {complaint,
          [=](json& document) { document[json::json_pointer(pointer)].push_back(value); }};
}

json Added(const json& id, const json& content) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", false}};
}

void ExpectAllRefused(const std::vector<Fault>& faults) {
  for (const Fault& fault : faults) {
    json document = BaseDocument("scanserve-6m");
    fault.apply(document);
    ExpectRefused(document.dump(), fault.complaint);
  }
}

TEST(MalformedTokenizerTest, TextThatIsNoTokenizer) {
  for (const char* text :
       {"", " ", "{", "[1", "\"", "{\"a\":}", "nul", "{} x", "\xFF", "{\"a\":\"\xC3\"}"}) {
    ExpectRefused(text, "not complete, valid JSON");
  }
  for (const char* text : {"[]", "1", "\"text\"", "null", "true"})
    ExpectRefused(text, "not an object");
  ExpectRefused("{}", "missing");
}

TEST(MalformedTokenizerTest, EveryTruncationOfAFile) {
  const std::string text = BaseDocument("scanserve-6m").dump();
  for (size_t size = 0; size < text.size(); size += 1 + text.size() / 97) {
    ExpectRefused(text.substr(0, size), "not complete, valid JSON");
  }
}

TEST(MalformedTokenizerTest, AFileThatWouldFillTheMemory) {
  ExpectRefused(std::string(1 << 20, '['), "nested deeper than 64 levels");
  std::string wide = "[";
  for (int i = 0; i < 3 << 20; ++i) wide += "[],";
  ExpectRefused(wide + "1]", "values, at most 2097152");
  ExpectRefused(std::string((32 << 20) + 1, ' '), "bytes, at most 33554432");
}

TEST(MalformedTokenizerTest, BracketsWithinStringsAreNotCounted) {
  json document = BaseDocument("scanserve-6m");
  document["added_tokens"].push_back(Added(4096, "\"" + std::string(100, '[')));
  EXPECT_TRUE(Tokenizer::FromJson(document.dump()).ok());
}

TEST(MalformedTokenizerTest, AFileThatIsMissingOrNoFile) {
  EXPECT_EQ(Tokenizer::FromFile(SCANSERVE_SOURCE_DIR "/no/such.json").status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(Tokenizer::FromFile(SCANSERVE_SOURCE_DIR).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(MalformedTokenizerTest, RandomDamageIsRefusedOrHarmless) {
  const json golden = ReadGolden("encodings.json");
  std::string tiny;
  for (const json& golden_case : golden["cases"]) {
    if (golden_case["name"] == "tiny, unknown fused") tiny = golden_case["json"].dump();
  }
  ASSERT_FALSE(tiny.empty());
  std::minstd_rand random(5);
  const std::string bytes = "\"{}[],:0123456789-.eabtrue\\ \xFF";
  int accepted = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string damaged = tiny;
    for (unsigned edits = 1 + random() % 3; edits > 0; --edits) {
      damaged[random() % damaged.size()] = bytes[random() % bytes.size()];
    }
    const auto tokenizer = Tokenizer::FromJson(damaged);
    if (!tokenizer.ok()) continue;
    ++accepted;
    const auto ids = (*tokenizer)->Encode("abcab xyz <u> \xC3\xA9");
    ASSERT_TRUE(ids.ok());
    (*tokenizer)->Decode(*ids, true);
  }
  EXPECT_GT(accepted, 10) << "the damage must sometimes reach the parts behind the parser";
}

TEST(MalformedTokenizerTest, FaultsOfTheVocabulary) {
  ExpectAllRefused({
      Remove("", "model", "field model is missing"),
      Set("/model", 3, "model: not an object"),
      Set("/model/type", "WordPiece", "model: type \"WordPiece\""),
      Set("/model/type", 1, "model.type: not a string"),
      Remove("/model", "vocab", "model: field vocab is missing"),
      Set("/model/vocab", json::array(), "model.vocab: not an object"),
      Set("/model/vocab", json::object(), "0 tokens"),
      Set("/model/vocab/the", -1, "token \"the\" has the id \"-1\""),
      Set("/model/vocab/the", 1u << 20, "token \"the\" has the id \"1048576\""),
      Set("/model/vocab/the", UINT64_MAX, "token \"the\" has the id"),
      Set("/model/vocab/the", 1.5, "token \"the\" has the id \"1.5\""),
      Set("/model/vocab/the", "7", "token \"the\" has the id"),
      Set("/model/vocab/the", nullptr, "token \"the\" has the id"),
      Set("/model/vocab/the", 5, "which another token has too"),
      Set("/model/dropout", 0.1, "model.dropout: not supported"),
      Set("/model/dropout", "no", "model.dropout: not supported"),
      Set("/model/continuing_subword_prefix", "##", "continuing_subword_prefix \"##\""),
      Set("/model/end_of_word_suffix", "</w>", "end_of_word_suffix \"</w>\""),
      Set("/model/ignore_merges", 1, "model.ignore_merges: neither true nor false"),
  });
}

TEST(MalformedTokenizerTest, FaultsOfTheMerges) {
  const std::string last = "model.merges[3837]: ";
  ExpectAllRefused({
      Remove("/model", "merges", "model: field merges is missing"),
      Set("/model/merges", "a b", "model.merges: not a list"),
      Append("/model/merges", {"zq", "a"}, last + "token \"zq\" is not in the vocabulary"),
      Append("/model/merges", {"a", "zq"}, last + "token \"zq\" is not in the vocabulary"),
      Append("/model/merges", {"z", "q"}, last + "token \"zq\" is not in the vocabulary"),
      Append("/model/merges", "ab", last + "\"ab\" is not two tokens"),
      Append("/model/merges", "a b c", last + "\"a b c\" is not two tokens"),
      Append("/model/merges", {"a"}, last + "not two tokens"),
      Append("/model/merges", {"a", 1}, last + "not two tokens"),
      Append("/model/merges", 7, last + "not two tokens"),
  });
}

TEST(MalformedTokenizerTest, FaultsOfAddedTokens) {
  ExpectAllRefused({
      Set("/added_tokens", "x", "added_tokens: not a list"),
      Append("/added_tokens", 1, "added_tokens[3]: not an object"),
      Append("/added_tokens", Added(4096, 1), "added_tokens[3].content: not a string"),
      Append("/added_tokens", Added(4096, ""), "added_tokens[3]: content is empty"),
      Append("/added_tokens", Added(4096, std::string(1025, 'x')), "content has 1025 bytes"),
      Append("/added_tokens", Added(-1, "QQ"), "added_tokens[3].id: not a token id"),
      Append("/added_tokens", Added(1ull << 40, "QQ"), "added_tokens[3].id: not a token id"),
      Append("/added_tokens", Added(5000, "QQ"), "token \"QQ\" has id 5000, expected 4096"),
      Append("/added_tokens", Added(7, "<unk>"), "token \"<unk>\" is added twice"),
      {"equals another one after normalization",
       [](json& document) {
         for (const char* content : {"\xC3\xA9!", "e\xCC\x81!"}) {
           const int id = 4096 + static_cast<int>(document["added_tokens"].size()) - 3;
           document["added_tokens"].push_back(Added(id, content));
           document["added_tokens"].back()["normalized"] = true;
         }
       }},
      Remove("/added_tokens/0", "lstrip", "added_tokens[0]: field lstrip is missing"),
      Set("/added_tokens/0/special", "yes", "added_tokens[0].special: neither true nor false"),
  });
}

TEST(MalformedTokenizerTest, FaultsOfTheOtherParts) {
  const json byte_level = BaseDocument("scanserve-6m")["pre_tokenizer"];
  const auto pre_tokenizers = [](const json& parts) {
    return json{{"type", "Sequence"}, {"pretokenizers", parts}};
  };
  const json digits = {{"type", "Digits"}, {"individual_digits", true}};
  const json split = {{"type", "Split"}, {"behavior", "Glued"}, {"invert", false}};
  ExpectAllRefused({
      Set("/version", "2.0", "version \"2.0\""),
      Set("/normalizer", "NFC", "normalizer: not an object"),
      Set("/normalizer/type", "Lowercase", "normalizer: type \"Lowercase\""),
      Set("/normalizer", {{"type", "Sequence"}, {"normalizers", {{{"type", "Strip"}}}}},
          "normalizer.normalizers[0]: type \"Strip\""),
      Set("/normalizer", {{"type", "Sequence"}}, "normalizer: field normalizers is missing"),
      Remove("", "pre_tokenizer", "field pre_tokenizer is missing"),
      Set("/pre_tokenizer/type", "Metaspace", "pre_tokenizer: type \"Metaspace\""),
      Set("/pre_tokenizer", digits, "does not end with ByteLevel"),
      Set("/pre_tokenizer", pre_tokenizers(json::array()), "does not end with ByteLevel"),
      Set("/pre_tokenizer", pre_tokenizers({byte_level, digits}), "Digits behind ByteLevel"),
      Set("/pre_tokenizer", pre_tokenizers({split, byte_level}), "behavior \"Glued\""),
      Remove("", "decoder", "field decoder is missing"),
      Set("/decoder/type", "Metaspace", "decoder: type \"Metaspace\""),
      Set("/post_processor/type", "Shouting", "post_processor: type \"Shouting\""),
  });
}

TEST(MalformedTokenizerTest, MissingBytesNeedAnUnknownTokenThatExists) {
  const auto without_q = [](const json& model) {
    json document = BaseDocument("scanserve-6m");
    document["model"].update(model);
    document["model"]["merges"] = json::array();
    document["model"]["vocab"].erase("q");
    return document.dump();
  };
  EXPECT_TRUE(Tokenizer::FromJson(without_q(json::object())).ok());
  EXPECT_TRUE(Tokenizer::FromJson(without_q({{"unk_token", "<unk>"}})).ok());
  ExpectRefused(without_q({{"unk_token", "<none>"}}), "unk_token \"<none>\" is not in");
  ExpectRefused(without_q({{"byte_fallback", true}}), "byte_fallback is not supported");
}

}  // namespace
}  // namespace scanserve::model
