#include "client/scanctl/bench_requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "tests/client/temporary_folder.h"

namespace scanserve::client {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

BenchSettings Mix(const std::vector<std::string>& entries) {
  BenchSettings settings;
  for (const std::string& entry : entries) settings.mix.push_back(*ParseBenchMixEntry(entry));
  return settings;
}

const auto& Ids(const v1::Prompt& prompt) { return prompt.token_ids().ids(); }

TEST(BenchRequestsTest, AsksForTheLengthsOfTheSettings) {
  BenchSettings settings = Mix({"generate"});
  settings.prompt_tokens = *ParseBenchLength("17");
  settings.output_tokens = *ParseBenchLength("5");
  const BenchRequest request = BenchRequests(settings, 100, {}).Make(0);
  const auto& message = std::get<v1::GenerateRequest>(request.message);
  EXPECT_EQ(Ids(message.prompt()).size(), 17);
  EXPECT_THAT(Ids(message.prompt()), Each(testing::AllOf(testing::Ge(0), testing::Lt(100))));
  EXPECT_EQ(message.sampling().max_new_tokens(), 5);
  EXPECT_TRUE(message.sampling().ignore_eos());
  EXPECT_EQ(message.sampling().temperature(), 0);
  EXPECT_TRUE(message.scan().has_assigned());
  EXPECT_TRUE(message.adapter().has_assigned());
}

TEST(BenchRequestsTest, GivesARequestOfAnIndexTheSameContentInEveryRun) {
  const BenchSettings settings = Mix({"generate,prompt=uniform:1:50,output=uniform:1:50"});
  const auto text = [&](int64_t index) {
    return std::get<v1::GenerateRequest>(BenchRequests(settings, 4096, {}).Make(index).message)
        .SerializeAsString();
  };
  EXPECT_EQ(text(7), text(7));
  EXPECT_NE(text(7), text(8));
}

TEST(BenchRequestsTest, BeginsEachPromptWithTheSharedPart) {
  BenchSettings settings = Mix({"generate"});
  settings.prompt_tokens = *ParseBenchLength("40");
  settings.shared_prefix = 0.75;
  const BenchRequests requests(settings, 1'000'000, {});
  const auto ids = [&](int64_t index) {
    const BenchRequest request = requests.Make(index);
    const auto& list = Ids(std::get<v1::GenerateRequest>(request.message).prompt());
    return std::vector<int32_t>(list.begin(), list.end());
  };
  const auto first = ids(0);
  const auto second = ids(1);
  EXPECT_TRUE(std::equal(first.begin(), first.begin() + 30, second.begin()));
  EXPECT_NE(first[30], second[30]);
}

TEST(BenchRequestsTest, MixesKindsByWeight) {
  const BenchRequests requests(Mix({"generate,weight=6", "perplexity,weight=3", "extract"}), 9, {});
  std::array<int, 3> counts{};
  for (int64_t i = 0; i < 4000; ++i) {
    const BenchRequest request = requests.Make(i);
    EXPECT_EQ(request.message.index(), request.entry);
    ++counts[request.entry];
  }
  // Within five standard deviations.
  EXPECT_NEAR(counts[0], 2400, 155);
  EXPECT_NEAR(counts[1], 1200, 145);
  EXPECT_NEAR(counts[2], 400, 95);
}

TEST(BenchRequestsTest, PutsTheKeysOfTheMixIntoTheirFields) {
  const BenchRequests requests(
      Mix({"perplexity,prompt=6,window=3,adapter=kjv,order=tour@2,priority=normal"}), 9, {});
  const BenchRequest made = requests.Make(0);
  const auto& request = std::get<BenchPerplexityRequest>(made.message);
  EXPECT_EQ(request.settings.window_tokens(), 3);
  EXPECT_EQ(request.settings.adapter().ref().name(), "kjv");
  EXPECT_EQ(request.settings.scan().setting().order().name(), "tour");
  EXPECT_EQ(request.settings.scan().setting().order().version(), 2);
  EXPECT_EQ(request.settings.priority(), v1::PRIORITY_NORMAL);
  EXPECT_EQ(Ids(request.document.content()).size(), 6);

  const BenchRequest plain =
      BenchRequests(Mix({"extract,adapter=none,order=identity"}), 9, {}).Make(0);
  const auto& extract = std::get<v1::ExtractHiddenStatesRequest>(plain.message);
  EXPECT_TRUE(extract.adapter().has_base());
  EXPECT_TRUE(extract.scan().has_identity());
  EXPECT_EQ(extract.priority(), v1::PRIORITY_UNSPECIFIED);
}

TEST(BenchRequestsTest, TakesPromptsFromTheLinesOfAFile) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("prompts", "first\r\n\n  \nsecond");
  const auto prompts = ReadBenchPrompts(path);
  ASSERT_TRUE(prompts.ok()) << prompts.status();
  EXPECT_THAT(*prompts, ElementsAre("first", "second"));
  const BenchRequest request = BenchRequests(Mix({"generate"}), 9, {"only"}).Make(3);
  EXPECT_EQ(std::get<v1::GenerateRequest>(request.message).prompt().text_bytes(), "only");
}

TEST(BenchRequestsTest, RefusesAFileWithoutPrompts) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("prompts", "\n \n");
  EXPECT_THAT(std::string(ReadBenchPrompts(path).status().message()),
              HasSubstr("no line holds a prompt"));
  EXPECT_EQ(ReadBenchPrompts(folder.File("none")).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace scanserve::client
