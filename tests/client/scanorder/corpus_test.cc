#include "client/scanorder/corpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/sha256.h"
#include "tests/client/temporary_folder.h"

namespace scanserve::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class CorpusTest : public testing::Test {
 protected:
  absl::StatusOr<Corpus> Read(std::string_view content) {
    return ReadCorpus(folder_.Write("corpus", content), rule_);
  }
  std::vector<std::string> Documents(std::string_view content) {
    return Read(content).value().documents;
  }

  TemporaryFolder folder_;
  CorpusRule rule_;
};

TEST_F(CorpusTest, TakesStrippedLinesOfTenCharacters) {
  EXPECT_THAT(Documents("  0123456789 \n012345678 \n\n01234567890\n"),
              ElementsAre("0123456789", "01234567890"));
}

TEST_F(CorpusTest, TakesTheFirstLinesThatAreLongEnough) {
  std::string text = "short\n";
  for (char letter = 'a'; letter < 'p'; ++letter) text += std::string(12, letter) + "\n";
  EXPECT_EQ(Documents(text).size(), 10);
  rule_.max_documents = 2;
  EXPECT_THAT(Documents(text), ElementsAre(std::string(12, 'a'), std::string(12, 'b')));
}

TEST_F(CorpusTest, CountsCharactersAndNotBytes) {
  rule_.min_characters = 3;
  // Six bytes, two characters; then three characters.
  EXPECT_THAT(Documents("\xE2\x82\xAC\xE2\x82\xAC\n\xE2\x82\xAC \xE2\x82\xAC\n"),
              ElementsAre("\xE2\x82\xAC \xE2\x82\xAC"));
}

TEST_F(CorpusTest, StripsWhatPythonStrips) {
  rule_.min_characters = 1;
  EXPECT_THAT(Documents("\xC2\xA0\xE3\x80\x80\x1C text \xC2\x85\v\n\xE2\x80\x8B\n"),
              ElementsAre("text", "\xE2\x80\x8B"));
}

TEST_F(CorpusTest, EndsLinesAsPythonDoes) {
  rule_.min_characters = 1;
  EXPECT_THAT(Documents("a\r\nb\rc\n\rd\xE2\x80\xA8"
                        "e\n"),
              ElementsAre("a", "b", "c",
                          "d\xE2\x80\xA8"
                          "e"));
}

TEST_F(CorpusTest, TakesALastLineWithoutLineBreak) {
  EXPECT_THAT(Documents("0123456789"), ElementsAre("0123456789"));
}

TEST_F(CorpusTest, DigestsTheWholeFile) {
  rule_.max_documents = 1;
  const std::string text = "0123456789\n" + std::string(200'000, 'x');
  EXPECT_EQ(Read(text)->digest, base::Sha256Hex(text));
}

TEST_F(CorpusTest, NamesALineThatIsNotUtf8) {
  const absl::Status status = Read("0123456789\nabc\xFF\n").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("line 2 is not UTF-8 at its byte 3"));
}

TEST_F(CorpusTest, NamesALineThatIsTooLong) {
  const absl::Status status = Read("\n" + std::string(kMaxCorpusLineBytes + 1, 'x')).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("line 2 is longer"));
}

TEST_F(CorpusTest, ReadsNoFurtherThanItMust) {
  rule_.max_documents = 1;
  EXPECT_THAT(Documents("0123456789\n\xFF\xFF\xFF\n"), ElementsAre("0123456789"));
}

TEST_F(CorpusTest, RefusesACorpusWithoutDocuments) {
  EXPECT_THAT(std::string(Read("short\n").status().message()),
              HasSubstr("no line has 10 characters"));
  rule_.min_characters = 0;
  EXPECT_FALSE(Read("\n \n").ok());
}

TEST_F(CorpusTest, NamesAFileThatIsNotThere) {
  EXPECT_EQ(ReadCorpus(folder_.File("none"), rule_).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace scanserve::client
