#include "client/document_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scanserve/v1/inference_service.grpc.pb.h"
#include "tests/client/fake_server.h"
#include "tests/client/temporary_folder.h"

namespace scanserve::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// One token for each byte.
class ByteTokenizer : public v1::InferenceService::Service {
 public:
  grpc::Status Tokenize(grpc::ServerContext*, const v1::TokenizeRequest* request,
                        v1::TokenizeResponse* response) override {
    for (const char byte : request->prompt().text_bytes()) response->add_token_ids(byte);
    return grpc::Status::OK;
  }
};

class DocumentPartsTest : public testing::Test {
 protected:
  DocumentPartsTest() : server_({&tokenizer_}), connection_(server_.options()) {}

  std::unique_ptr<DocumentReader> Open(std::string_view content, size_t piece_bytes = 1000) {
    return DocumentReader::Open(folder_.Write("text", content), DocumentSplit::kBlankLine,
                                piece_bytes)
        .value();
  }

  std::vector<int32_t> Join(JoinedDocuments& documents) {
    std::vector<int32_t> tokens;
    bool open = true;
    while (const auto part = documents.Next().value()) {
      EXPECT_TRUE(open) << "a part after the last one";
      const auto& ids = part->content().token_ids().ids();
      EXPECT_LE(ids.size(), static_cast<int>(JoinedDocuments::kPartTokens));
      tokens.insert(tokens.end(), ids.begin(), ids.end());
      open = part->more();
    }
    EXPECT_FALSE(open) << "no part said that it is the last one";
    return tokens;
  }

  TemporaryFolder folder_;
  ByteTokenizer tokenizer_;
  FakeServer server_;
  Connection connection_;
};

TEST_F(DocumentPartsTest, NumbersDocumentsAndMarksTheirLastPart) {
  SeparateDocuments documents(Open("abcdefghij\n\nk", 8), true);
  std::vector<std::string> seen;
  while (const auto part = documents.Next().value()) {
    seen.push_back(part->document_id() + " " + part->content().text_bytes() +
                   (part->more() ? " .." : ""));
    EXPECT_TRUE(part->content().replace_invalid());
  }
  EXPECT_THAT(seen, ElementsAre("1 abcdef ..", "1 ghij", "2 k"));
}

TEST_F(DocumentPartsTest, JoinsDocumentsWithTheEndOfTextBeforeEachAndAtTheEnd) {
  JoinedDocuments documents(connection_, Open("ab\n\nc"), false, 0);
  EXPECT_THAT(Join(documents), ElementsAre(0, 'a', 'b', 0, 'c', 0));
  EXPECT_EQ(documents.tokens_sent(), 6);
}

TEST_F(DocumentPartsTest, SendsALongJoinInBoundedParts) {
  // The second length makes the end-of-text token alone the last part.
  for (const size_t length : {3 * JoinedDocuments::kPartTokens, JoinedDocuments::kPartTokens - 1,
                              JoinedDocuments::kPartTokens - 2}) {
    JoinedDocuments documents(connection_, Open(std::string(length, 'x')), false, 0);
    const std::vector<int32_t> tokens = Join(documents);
    EXPECT_EQ(tokens.size(), length + 2);
    EXPECT_EQ(tokens.front(), 0);
    EXPECT_EQ(tokens.back(), 0);
  }
}

TEST_F(DocumentPartsTest, NamesTheLineOfADocumentThatIsTooLongToTokenize) {
  const std::string text = "a\n\n" + std::string(JoinedDocuments::kMaxDocumentBytes + 1, 'x');
  JoinedDocuments documents(connection_, Open(text), false, 0);
  const absl::Status status = documents.Next().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("the document at line 3 is longer"));
}

TEST_F(DocumentPartsTest, RefusesToJoinNothing) {
  JoinedDocuments documents(connection_, Open("\n\n"), false, 0);
  EXPECT_EQ(documents.Next().status().message(), "the file has no document");
}

}  // namespace
}  // namespace scanserve::client
