#include "client/perplexity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "scanserve/v1/inference_service.grpc.pb.h"
#include "tests/client/fake_server.h"

namespace scanserve::client {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Answers each whole document with its id, and the client's half-close with totals. After
// `refuse_after` documents it ends the call with an error and reads no more.
class FakePerplexity : public v1::InferenceService::Service {
 public:
  grpc::Status ComputePerplexity(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::ComputePerplexityResponse, v1::ComputePerplexityRequest>* stream)
      override {
    v1::ComputePerplexityRequest request;
    stream->Read(&request);
    settings = request.settings();
    v1::ComputePerplexityResponse response;
    response.mutable_started();
    stream->Write(response);
    int documents = 0;
    while (stream->Read(&request)) {
      if (request.document().more()) continue;
      if (documents == refuse_after) {
        return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "document: too long");
      }
      ++documents;
      response.mutable_document()->set_document_id(request.document().document_id());
      stream->Write(response);
    }
    response.mutable_totals()->set_documents(documents);
    stream->Write(response);
    return grpc::Status::OK;
  }

  v1::PerplexitySettings settings;
  int refuse_after = -1;
};

class PerplexityTest : public testing::Test {
 protected:
  PerplexityTest() : server_({&service_}), connection_(server_.options()) {}

  absl::Status Score(const DocumentPartSource& source) {
    v1::PerplexitySettings settings;
    settings.set_window_tokens(64);
    return ComputePerplexity(
        connection_, settings, source, [this](const v1::ComputePerplexityResponse& response) {
          events_.push_back(response.has_started() ? "started"
                            : response.has_document()
                                ? "document " + response.document().document_id()
                                : "totals");
          return on_event_;
        });
  }

  // Documents "1" to "count"; endless for a negative count.
  DocumentPartSource Documents(int count) {
    return [count, next = 1]() mutable -> absl::StatusOr<std::optional<v1::DocumentPart>> {
      if (count >= 0 && next > count) return std::nullopt;
      v1::DocumentPart part;
      part.set_document_id(std::to_string(next++));
      part.mutable_content()->set_text(std::string(1000, 'x'));
      return part;
    };
  }

  FakePerplexity service_;
  FakeServer server_;
  Connection connection_;
  absl::Status on_event_;
  std::vector<std::string> events_;
};

TEST_F(PerplexityTest, SendsSettingsThenDocumentsAndClosesItsSide) {
  ASSERT_TRUE(Score(Documents(2)).ok());
  EXPECT_EQ(service_.settings.window_tokens(), 64);
  EXPECT_THAT(events_, ElementsAre("started", "document 1", "document 2", "totals"));
}

TEST_F(PerplexityTest, ScoresNoDocuments) {
  ASSERT_TRUE(Score(Documents(0)).ok());
  EXPECT_THAT(events_, ElementsAre("started", "totals"));
}

TEST_F(PerplexityTest, StopsSendingWhenTheServerRefuses) {
  service_.refuse_after = 1;
  EXPECT_EQ(Score(Documents(-1)).message(), "INVALID_ARGUMENT: document: too long");
}

TEST_F(PerplexityTest, EndsWithTheErrorOfTheSource) {
  const absl::Status unreadable = absl::UnavailableError("cannot read corpus.txt");
  EXPECT_EQ(Score([&] { return unreadable; }), unreadable);
}

TEST_F(PerplexityTest, EndsWithTheErrorOfTheHandler) {
  on_event_ = absl::UnavailableError("disk full");
  EXPECT_EQ(Score(Documents(-1)), on_event_);
  EXPECT_THAT(events_, ElementsAre("started"));
}

TEST_F(PerplexityTest, EndsWhenTheConnectionIsCancelled) {
  connection_.CancelAll();
  EXPECT_EQ(Score(Documents(-1)).code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(events_, IsEmpty());
}

}  // namespace
}  // namespace scanserve::client
