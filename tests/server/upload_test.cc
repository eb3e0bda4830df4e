// The limits of uploads: how many, how long, how large.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/npy.h"
#include "tests/server/test_server.h"

namespace scanserve::server {
namespace {

using testing::HasSubstr;

class Upload {
 public:
  explicit Upload(v1::ScanOrderService::Stub& stub)
      : writer_(stub.UploadScanOrder(&context_, &response_)) {}

  bool SendHeader(const std::string& name) {
    v1::UploadScanOrderRequest request;
    request.mutable_header()->set_name(name);
    return writer_->Write(request);
  }
  bool SendChunk(const std::string& bytes) {
    v1::UploadScanOrderRequest request;
    request.set_npy_chunk(bytes);
    return writer_->Write(request);
  }
  grpc::Status Finish() {
    writer_->WritesDone();
    return writer_->Finish();
  }
  // Without closing our side.
  grpc::Status WaitForEnd() { return writer_->Finish(); }
  const v1::UploadScanOrderResponse& response() const { return response_; }

 private:
  grpc::ClientContext context_;
  v1::UploadScanOrderResponse response_;
  std::unique_ptr<grpc::ClientWriter<v1::UploadScanOrderRequest>> writer_;
};

const std::string& SmallNpy() {
  static const std::string npy = base::FormatNpyIntegers(std::vector<int64_t>{2, 0, 1});
  return npy;
}

TEST(UploadTest, StoresAFileThatComesInPieces) {
  TestServer server;
  const auto stub = server.NewScanOrders();
  Upload upload(*stub);
  EXPECT_TRUE(upload.SendHeader("mine"));
  for (const char byte : SmallNpy()) EXPECT_TRUE(upload.SendChunk(std::string(1, byte)));
  ASSERT_TRUE(upload.Finish().ok());
  EXPECT_TRUE(upload.response().created());
  EXPECT_EQ(upload.response().order().length(), 3);
}

TEST(UploadTest, AnIdleUploadIsEnded) {
  ServerOptions options = TestServer::Options();
  options.limits.upload_idle = absl::Milliseconds(50);
  TestServer server(options);
  const auto stub = server.NewScanOrders();
  Upload upload(*stub);
  EXPECT_TRUE(upload.SendHeader("idle"));
  EXPECT_EQ(upload.WaitForEnd().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST(UploadTest, OneUploadTooManyIsRefusedUntilAnotherEnds) {
  ServerOptions options = TestServer::Options();
  options.limits.open_uploads = 1;
  TestServer server(options);
  const auto stub = server.NewScanOrders();
  auto first = std::make_unique<Upload>(*stub);
  // Its place is taken once the server has answered something that came after it.
  EXPECT_TRUE(first->SendHeader("first"));
  while (server.backend().open_uploads().open() == 0) std::this_thread::yield();
  EXPECT_EQ(Upload(*stub).WaitForEnd().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(first->SendChunk(SmallNpy()));
  EXPECT_TRUE(first->Finish().ok());
  while (server.backend().open_uploads().open() != 0) std::this_thread::yield();
  Upload third(*stub);
  EXPECT_TRUE(third.SendHeader("third") && third.SendChunk(SmallNpy()));
  EXPECT_TRUE(third.Finish().ok());
}

TEST(UploadTest, RefusesAFileThatIsLargerThanAnyOrder) {
  TestServer server;
  const auto stub = server.NewScanOrders();
  Upload upload(*stub);
  EXPECT_TRUE(upload.SendHeader("huge"));
  const std::string chunk(1 << 20, 'x');
  for (int i = 0; i < 10 && upload.SendChunk(chunk); ++i) {
  }
  const grpc::Status status = upload.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("bytes of all chunks"));
}

TEST(UploadTest, RefusesAChunkPast1MiB) {
  TestServer server;
  const auto stub = server.NewScanOrders();
  Upload upload(*stub);
  EXPECT_TRUE(upload.SendHeader("large"));
  upload.SendChunk(std::string((1 << 20) + 1, 'x'));
  EXPECT_THAT(upload.Finish().error_message(), HasSubstr("1048577 bytes, at most 1048576"));
}

}  // namespace
}  // namespace scanserve::server
