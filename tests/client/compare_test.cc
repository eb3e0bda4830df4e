#include "client/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/client/fake_server.h"
#include "tests/client/temporary_folder.h"

namespace scanserve::client {
namespace {

using testing::ElementsAre;

std::vector<CorpusDocument> Numbered(int count) {
  std::vector<CorpusDocument> documents;
  for (int i = 1; i <= count; ++i) documents.push_back({absl::StrCat(i), absl::StrCat("text ", i)});
  return documents;
}

std::vector<std::string> Ids(const std::vector<CorpusDocument>& documents) {
  std::vector<std::string> ids;
  for (const CorpusDocument& document : documents) ids.push_back(document.id);
  return ids;
}

std::vector<std::string> Shuffled(int count, uint64_t seed) {
  std::vector<CorpusDocument> documents = Numbered(count);
  ShuffleDocuments(seed, documents);
  return Ids(documents);
}

TEST(ShuffleDocumentsTest, IsAPermutationThatDependsOnTheSeedAlone) {
  std::vector<std::string> shuffled = Shuffled(50, 1);
  EXPECT_EQ(shuffled, Shuffled(50, 1));
  EXPECT_NE(shuffled, Shuffled(50, 2));
  EXPECT_NE(shuffled, Ids(Numbered(50)));
  std::vector<std::string> natural = Ids(Numbered(50));
  std::ranges::sort(shuffled);
  std::ranges::sort(natural);
  EXPECT_EQ(shuffled, natural);
  EXPECT_EQ(Shuffled(0, 1).size(), 0);
}

// Python's own Mersenne twister has another seeding, so the expected orders are counted instead:
// each of the six orders of three documents in a sixth of the cases, within four standard errors.
TEST(ShuffleDocumentsTest, GivesEachOrderTheSameChance) {
  std::map<std::vector<std::string>, int> counts;
  for (uint64_t seed = 0; seed < 6000; ++seed) ++counts[Shuffled(3, seed)];
  ASSERT_EQ(counts.size(), 6);
  for (const auto& [order, count] : counts) EXPECT_NEAR(count, 1000, 4 * 29);
}

TEST(ReadCorpusTest, NumbersTheDocumentsOfAFileAndJoinsTheirPieces) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("corpus.txt", "one\ntwo\n\nthree three\n\n\nfour\n");
  const auto reader = DocumentReader::Open(path, DocumentSplit::kBlankLine, 4).value();
  const std::vector<CorpusDocument> documents = ReadCorpus(*reader).value();
  EXPECT_THAT(Ids(documents), ElementsAre("1", "2", "3"));
  EXPECT_EQ(documents[0].text, "one\ntwo");
  EXPECT_EQ(documents[1].text, "three three");
}

// Answers each whole document, and ends the call of itself after `stop_after` of them.
class FakeCompare : public v1::InferenceService::Service {
 public:
  grpc::Status Compare(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::CompareResponse, v1::CompareRequest>* stream) override {
    v1::CompareRequest request;
    stream->Read(&request);
    settings = request.settings();
    v1::CompareResponse response;
    std::string text;
    while (static_cast<int>(texts.size()) < stop_after && stream->Read(&request)) {
      ++parts;
      text += request.document().content().text_bytes();
      if (request.document().more()) continue;
      texts.push_back(text);
      text.clear();
      response.mutable_document()->set_document_id(request.document().document_id());
      stream->Write(response);
    }
    response.mutable_totals()->set_documents(static_cast<int64_t>(texts.size()));
    stream->Write(response);
    return grpc::Status::OK;
  }

  v1::CompareSettings settings;
  std::vector<std::string> texts;
  int parts = 0;
  int stop_after = 1'000'000;
};

class CompareTest : public testing::Test {
 protected:
  CompareTest() : server_({&service_}), connection_(server_.options()) {}

  absl::Status Run(const std::vector<CorpusDocument>& documents) {
    v1::CompareSettings settings;
    settings.set_seed(7);
    return Compare(connection_, settings, documents, false,
                   [this](const v1::CompareResponse& response) {
                     answers_.push_back(response.has_document() ? response.document().document_id()
                                                                : "totals");
                     return absl::OkStatus();
                   });
  }

  FakeCompare service_;
  FakeServer server_;
  Connection connection_;
  std::vector<std::string> answers_;
};

TEST_F(CompareTest, SendsSettingsAndThenTheDocumentsAsTheyStand) {
  ASSERT_TRUE(Run({{"b", "two"}, {"a", "one"}}).ok());
  EXPECT_EQ(service_.settings.seed(), 7);
  EXPECT_THAT(service_.texts, ElementsAre("two", "one"));
  EXPECT_THAT(answers_, ElementsAre("b", "a", "totals"));
}

TEST_F(CompareTest, CutsLongDocumentsIntoParts) {
  const std::string text(600'000, 'x');
  ASSERT_TRUE(Run({{"a", text}}).ok());
  EXPECT_EQ(service_.parts, 3);
  EXPECT_THAT(service_.texts, ElementsAre(text));
}

TEST_F(CompareTest, TakesTheTotalsOfAServerThatStopsBeforeAllWasSent) {
  service_.stop_after = 2;
  ASSERT_TRUE(Run(Numbered(5000)).ok());
  EXPECT_THAT(answers_, ElementsAre("1", "2", "totals"));
}

}  // namespace
}  // namespace scanserve::client
