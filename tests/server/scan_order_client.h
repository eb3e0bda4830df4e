// Short ways to store orders on a TestServer.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/base/npy.h"
#include "tests/server/test_server.h"

namespace scanserve::server {

inline grpc::Status UploadOrder(v1::ScanOrderService::Stub& stub,
                                const v1::UploadScanOrderHeader& header,
                                const std::vector<int32_t>& pi) {
  grpc::ClientContext context;
  v1::UploadScanOrderResponse response;
  const auto writer = stub.UploadScanOrder(&context, &response);
  v1::UploadScanOrderRequest request;
  *request.mutable_header() = header;
  writer->Write(request);
  request.set_npy_chunk(base::FormatNpyIntegers(pi));
  writer->Write(request);
  writer->WritesDone();
  return writer->Finish();
}

inline void UploadOrder(v1::ScanOrderService::Stub& stub, const std::string& name,
                        const std::vector<int32_t>& pi) {
  v1::UploadScanOrderHeader header;
  header.set_name(name);
  const grpc::Status status = UploadOrder(stub, header, pi);
  ASSERT_TRUE(status.ok()) << status.error_message();
}

}  // namespace scanserve::server
