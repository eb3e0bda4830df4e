#include "client/document_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "client/text_input.h"
#include "tests/client/temporary_folder.h"

namespace scanserve::client {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Document {
  std::string text;
  int64_t line = 0;
  int pieces = 0;
};

class DocumentReaderTest : public testing::Test {
 protected:
  std::vector<Document> ReadWhole(std::string_view content, DocumentSplit split,
                                  size_t max_piece_bytes = DocumentReader::kDefaultPieceBytes) {
    const auto reader =
        DocumentReader::Open(folder_.Write("text", content), split, max_piece_bytes).value();
    std::vector<Document> documents;
    bool open = false;
    while (true) {
      const auto piece = reader->Next().value();
      if (!piece) break;
      EXPECT_LE(piece->text.size(), max_piece_bytes);
      EXPECT_FALSE(piece->text.empty());
      if (!open) documents.push_back({.text = "", .line = piece->line});
      documents.back().text += piece->text;
      ++documents.back().pieces;
      open = !piece->last;
    }
    EXPECT_FALSE(open) << "the last piece did not say so";
    return documents;
  }

  std::vector<std::string> Texts(std::string_view content, DocumentSplit split,
                                 size_t max_piece_bytes = DocumentReader::kDefaultPieceBytes) {
    std::vector<std::string> texts;
    for (const Document& document : ReadWhole(content, split, max_piece_bytes)) {
      texts.push_back(document.text);
    }
    return texts;
  }

  TemporaryFolder folder_;
};

TEST_F(DocumentReaderTest, CutsAtBlankLines) {
  EXPECT_THAT(Texts("one\ntwo\n\nthree\n", DocumentSplit::kBlankLine),
              ElementsAre("one\ntwo", "three"));
}

TEST_F(DocumentReaderTest, TakesRunsOfBlankLinesForOne) {
  EXPECT_THAT(Texts("\n\n one\n \t\n\n\ntwo \n\n", DocumentSplit::kBlankLine),
              ElementsAre(" one", "two "));
}

TEST_F(DocumentReaderTest, KeepsLineBreaksInsideADocumentAsTheyAre) {
  EXPECT_THAT(Texts("one\r\ntwo\nthree\r\n\r\nfour\r\n", DocumentSplit::kBlankLine),
              ElementsAre("one\r\ntwo\nthree", "four"));
}

TEST_F(DocumentReaderTest, MakesADocumentOfEachLine) {
  EXPECT_THAT(Texts("one\n\ntwo\r\n three ", DocumentSplit::kLine),
              ElementsAre("one", "two", " three "));
}

TEST_F(DocumentReaderTest, LeavesAWholeFileAsItIs) {
  EXPECT_THAT(Texts("one\r\n\n two\n", DocumentSplit::kFile), ElementsAre("one\r\n\n two\n"));
}

TEST_F(DocumentReaderTest, FindsNoDocumentInNothing) {
  for (const auto split : {DocumentSplit::kBlankLine, DocumentSplit::kLine, DocumentSplit::kFile}) {
    EXPECT_THAT(Texts("", split), IsEmpty());
  }
  EXPECT_THAT(Texts("\n \n", DocumentSplit::kLine), IsEmpty());
}

TEST_F(DocumentReaderTest, SaysAtWhichLineADocumentBegins) {
  const auto documents = ReadWhole("\none\ntwo\n\n\nthree", DocumentSplit::kBlankLine);
  ASSERT_EQ(documents.size(), 2);
  EXPECT_EQ(documents[0].line, 2);
  EXPECT_EQ(documents[1].line, 6);
}

TEST_F(DocumentReaderTest, CutsLongDocumentsBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 50; ++i) text += "\xE2\x82\xAC\xF0\x9F\x98\x80";
  for (const auto split : {DocumentSplit::kLine, DocumentSplit::kFile}) {
    const auto reader = DocumentReader::Open(folder_.Write("text", text), split, 18).value();
    std::string joined;
    while (const auto piece = reader->Next().value()) {
      EXPECT_NE(static_cast<unsigned char>(piece->text[0]) & 0xC0, 0x80);
      joined += piece->text;
    }
    EXPECT_EQ(joined, text);
  }
}

TEST_F(DocumentReaderTest, GivesTheSameDocumentsInPiecesOfAnySize) {
  std::mt19937 random(1);
  const std::string letters = "ab \n\n\n\r\t";
  for (int round = 0; round < 40; ++round) {
    std::string text;
    for (int i = 0; i < 200; ++i) text += letters[random() % letters.size()];
    // Longer than any line here is blank up to the limit.
    for (const auto split : {DocumentSplit::kBlankLine, DocumentSplit::kLine}) {
      const auto whole = Texts(text, split);
      for (const size_t size : {40, 64, 100}) EXPECT_EQ(Texts(text, split, size), whole) << text;
    }
  }
}

TEST_F(DocumentReaderTest, HoldsNoMoreThanAPieceOfAnEndlessLine) {
  const std::string line(1'000'000, 'x');
  const auto documents = ReadWhole(line + "\nshort\n", DocumentSplit::kLine, 1000);
  ASSERT_EQ(documents.size(), 2);
  EXPECT_EQ(documents[0].text, line);
  EXPECT_GE(documents[0].pieces, 1000);
  EXPECT_EQ(documents[1].text, "short");
}

TEST_F(DocumentReaderTest, NamesAFileThatIsNotThere) {
  const auto reader = DocumentReader::Open(folder_.File("none"), DocumentSplit::kLine);
  EXPECT_EQ(reader.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(reader.status().message(),
            "cannot open " + folder_.File("none") + ": No such file or directory");
}

TEST_F(DocumentReaderTest, RefusesToReadAFolder) {
  const auto reader = DocumentReader::Open(folder_.File(""), DocumentSplit::kFile).value();
  EXPECT_EQ(reader->Next().status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(DocumentReaderTest, KnowsHowFarItHasCome) {
  const std::string path = folder_.Write("text", "one\ntwo\n");
  const auto reader = DocumentReader::Open(path, DocumentSplit::kLine).value();
  EXPECT_EQ(reader->file_bytes(), 8);
  while (reader->Next().value()) {
  }
  EXPECT_EQ(reader->bytes_cut(), 8);
}

TEST_F(DocumentReaderTest, ReadsTextUpToALimit) {
  const std::string path = folder_.Write("text", "12345");
  EXPECT_EQ(ReadTextInput(path, 5).value(), "12345");
  EXPECT_EQ(ReadTextInput(path, 4).status().message(), path + ": more than 4 bytes");
}

}  // namespace
}  // namespace scanserve::client
