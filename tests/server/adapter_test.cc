// Uploading, merging and unloading adapters, over the wire and while requests use them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "core/base/npy.h"
#include "tests/server/test_server.h"

namespace scanserve::server {
namespace {

using testing::HasSubstr;

constexpr const char* kFolder = SCANSERVE_SOURCE_DIR "/models/scanserve-6m/adapters/";

model::AdapterFiles Files(const std::string& name) {
  return model::AdapterFiles::Read(kFolder + name).value();
}

class AdapterUpload {
 public:
  explicit AdapterUpload(v1::AdapterService::Stub& stub)
      : writer_(stub.UploadAdapter(&context_, &response_)) {}

  bool SendHeader(const v1::AdapterStorage& header) {
    v1::UploadAdapterRequest request;
    *request.mutable_header() = header;
    return writer_->Write(request);
  }
  bool SendConfig(const std::string& bytes) {
    v1::UploadAdapterRequest request;
    request.set_config_chunk(bytes);
    return writer_->Write(request);
  }
  bool SendTensors(const std::string& bytes) {
    v1::UploadAdapterRequest request;
    request.set_tensors_chunk(bytes);
    return writer_->Write(request);
  }
  grpc::Status Finish() {
    writer_->WritesDone();
    return writer_->Finish();
  }
  // Without closing our side.
  grpc::Status WaitForEnd() { return writer_->Finish(); }
  const v1::UploadAdapterResponse& response() const { return response_; }

 private:
  grpc::ClientContext context_;
  v1::UploadAdapterResponse response_;
  std::unique_ptr<grpc::ClientWriter<v1::UploadAdapterRequest>> writer_;
};

v1::AdapterStorage Named(const std::string& name) {
  v1::AdapterStorage storage;
  storage.set_name(name);
  return storage;
}

class AdapterWireTest : public testing::Test {
 protected:
  static ServerOptions Options() {
    ServerOptions options = TestServer::Options();
    options.limits.open_uploads = 1;
    return options;
  }

  v1::UploadAdapterResponse UploadOk(const v1::AdapterStorage& storage,
                                     const std::string& adapter) {
    const model::AdapterFiles files = Files(adapter);
    AdapterUpload upload(*stub_);
    EXPECT_TRUE(upload.SendHeader(storage) && upload.SendConfig(files.config));
    for (size_t begin = 0; begin < files.tensors.size(); begin += 1 << 20) {
      EXPECT_TRUE(upload.SendTensors(files.tensors.substr(begin, 1 << 20)));
    }
    const grpc::Status status = upload.Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    WaitForNoUpload();
    return upload.response();
  }
  void WaitForNoUpload() {
    while (server_.backend().open_uploads().open() != 0) std::this_thread::yield();
  }
  grpc::Status Unload(const std::string& name) {
    grpc::ClientContext context;
    v1::UnloadAdapterRequest request;
    request.mutable_adapter()->set_name(name);
    v1::UnloadAdapterResponse response;
    return stub_->UnloadAdapter(&context, request, &response);
  }
  static v1::GenerateRequest RequestWith(const std::string& adapter) {
    v1::GenerateRequest request = GreedyRequest(20);
    request.mutable_adapter()->mutable_ref()->set_name(adapter);
    return request;
  }

  TestServer server_{Options()};
  std::unique_ptr<v1::AdapterService::Stub> stub_ = server_.NewAdapters();
};

TEST_F(AdapterWireTest, ServesWhatWasUploadedMergedOrNot) {
  const auto uploaded = UploadOk(Named("mine"), "kjv");
  EXPECT_TRUE(uploaded.created());
  EXPECT_EQ(uploaded.adapter().version(), 1);
  EXPECT_FALSE(uploaded.adapter().merged());
  EXPECT_TRUE(uploaded.adapter().has_created());
  v1::AdapterStorage storage = Named("mine");
  storage.set_merge(true);
  const auto merged = UploadOk(storage, "kjv");
  EXPECT_FALSE(merged.created());
  EXPECT_TRUE(merged.adapter().merged());
  EXPECT_GT(merged.adapter().memory_bytes(), 10 * uploaded.adapter().memory_bytes());
  const auto inference = server_.NewInference();
  const GenerateResult result = Generate(*inference, RequestWith("mine"));
  EXPECT_TRUE(result.started.in_force().adapter_merged());
  EXPECT_EQ(result.started.in_force().adapter().digest(), uploaded.adapter().digest());
  EXPECT_TRUE(UploadOk(Named("mine"), "kjv").adapter().merged()) << "unset leaves it as it is";
  storage.set_merge(false);
  EXPECT_FALSE(UploadOk(storage, "kjv").adapter().merged());
  const GenerateResult unmerged = Generate(*inference, RequestWith("mine"));
  EXPECT_FALSE(unmerged.started.in_force().adapter_merged());
  EXPECT_EQ(unmerged.text, result.text);
}

TEST_F(AdapterWireTest, ARequestInFlightKeepsItsAdapterAndMemoryGoesWithIt) {
  UploadOk(Named("mine"), "kjv");
  const auto inference = server_.NewInference();
  const GenerateResult quiet = Generate(*inference, RequestWith("mine"));
  std::weak_ptr<const model::Adapter> held =
      server_.backend().adapters().Find("mine", 0, "").value();
  while (held.use_count() > 1) std::this_thread::yield();  // the first call's, for a moment
  server_.gate().Close();
  GenerateResult result;
  std::thread request([&] { result = Generate(*inference, RequestWith("mine")); });
  while (held.use_count() < 2) std::this_thread::yield();  // the table's, and the request's
  EXPECT_TRUE(Unload("mine").ok());
  EXPECT_EQ(Generate(*inference, RequestWith("mine")).status.error_code(),
            grpc::StatusCode::NOT_FOUND);
  EXPECT_FALSE(held.expired());
  server_.gate().Open();
  request.join();
  EXPECT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_EQ(result.text, quiet.text);
  // The call's own hold goes with its reactor, a moment after the client has its end.
  while (!held.expired()) std::this_thread::yield();
}

TEST_F(AdapterWireTest, AnIdleUploadIsEnded) {
  ServerOptions options = Options();
  options.limits.upload_idle = absl::Milliseconds(50);
  TestServer server(options);
  const auto stub = server.NewAdapters();
  AdapterUpload upload(*stub);
  EXPECT_TRUE(upload.SendHeader(Named("idle")));
  EXPECT_EQ(upload.WaitForEnd().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(AdapterWireTest, OrdersAndAdaptersShareTheOpenUploads) {
  AdapterUpload first(*stub_);
  EXPECT_TRUE(first.SendHeader(Named("first")));
  while (server_.backend().open_uploads().open() == 0) std::this_thread::yield();
  const auto orders = server_.NewScanOrders();
  grpc::ClientContext context;
  v1::UploadScanOrderResponse response;
  EXPECT_EQ(orders->UploadScanOrder(&context, &response)->Finish().error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(AdapterUpload(*stub_).WaitForEnd().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(first.Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  WaitForNoUpload();
  UploadOk(Named("second"), "devil");
}

TEST_F(AdapterWireTest, RefusesChunksAndFilesPastTheirLimits) {
  AdapterUpload chunk(*stub_);
  EXPECT_TRUE(chunk.SendHeader(Named("large")));
  chunk.SendTensors(std::string((1 << 20) + 1, 'x'));
  EXPECT_THAT(chunk.Finish().error_message(), HasSubstr("1048577 bytes, at most 1048576"));
  WaitForNoUpload();
  AdapterUpload config(*stub_);
  EXPECT_TRUE(config.SendHeader(Named("large")));
  config.SendConfig(std::string(1 << 20, ' '));
  config.SendConfig(" ");
  EXPECT_THAT(config.Finish().error_message(),
              HasSubstr("config_chunk: 1048577 bytes of all chunks, at most 1048576"));
  WaitForNoUpload();
  AdapterUpload tensors(*stub_);
  EXPECT_TRUE(tensors.SendHeader(Named("large")));
  const std::string mebibyte(1 << 20, 'x');
  for (int i = 0; i < 300 && tensors.SendTensors(mebibyte); ++i) {
  }
  const grpc::Status status = tensors.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("bytes of all chunks, at most 268435456"));
}

TEST_F(AdapterWireTest, AnUploadThatIsNotWholeIsRefused) {
  EXPECT_THAT(AdapterUpload(*stub_).Finish().error_message(), HasSubstr("must be the header"));
  WaitForNoUpload();
  AdapterUpload no_header(*stub_);
  no_header.SendConfig("{}");
  EXPECT_THAT(no_header.Finish().error_message(), HasSubstr("must be the header"));
  WaitForNoUpload();
  AdapterUpload twice(*stub_);
  twice.SendHeader(Named("a"));
  twice.SendHeader(Named("a"));
  EXPECT_THAT(twice.Finish().error_message(), HasSubstr("the header came twice"));
  WaitForNoUpload();
  AdapterUpload no_tensors(*stub_);
  EXPECT_TRUE(no_tensors.SendHeader(Named("a")) && no_tensors.SendConfig(Files("kjv").config));
  EXPECT_THAT(no_tensors.Finish().error_message(), HasSubstr("adapter_model.safetensors: "));
}

}  // namespace
}  // namespace scanserve::server
