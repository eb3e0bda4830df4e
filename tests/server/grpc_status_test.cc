#include "server/grpc_status.h"

#include <gmock/gmock.h>
#include <grpcpp/support/status.h>
#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace scanserve::server {
namespace {

TEST(GrpcStatusTest, KeepsCodesAndMessages) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus(), "id").ok());
  const grpc::Status aborted = ToGrpcStatus(absl::AbortedError("revision 7 won"), "id");
  EXPECT_EQ(aborted.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(aborted.error_message(), "revision 7 won");
  EXPECT_TRUE(aborted.error_details().empty());
}

TEST(GrpcStatusTest, TellsClientsLittleAboutOurOwnFaults) {
  for (const absl::Status& fault : {absl::InternalError("secret"), absl::UnknownError("secret"),
                                    absl::DataLossError("secret")}) {
    const grpc::Status status = ToGrpcStatus(fault, "id-1");
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
    EXPECT_THAT(status.error_message(), testing::HasSubstr("id-1"));
    EXPECT_THAT(status.error_message(), testing::Not(testing::HasSubstr("secret")));
  }
}

TEST(GrpcStatusTest, SaysWhenToTryAgain) {
  const absl::Status full = WithPrefix(
      WithRetryDelay(absl::ResourceExhaustedError("queue full"), absl::Milliseconds(1500)),
      "document 3: ");
  const grpc::Status status = ToGrpcStatus(full, "id");
  EXPECT_EQ(status.error_message(), "document 3: queue full");
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  google::rpc::RetryInfo info;
  ASSERT_EQ(details.details_size(), 1);
  ASSERT_TRUE(details.details(0).UnpackTo(&info));
  EXPECT_EQ(info.retry_delay().seconds(), 1);
  EXPECT_EQ(info.retry_delay().nanos(), 500'000'000);
}

TEST(GrpcStatusTest, AnEstimateThatIsThereAlreadyStays) {
  const absl::Status estimated =
      WithRetryDelay(absl::ResourceExhaustedError("queue full"), absl::Seconds(9));
  const absl::Status again = WithRetryDelay(estimated, absl::Seconds(1));
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(ToGrpcStatus(again, "id").error_details()));
  google::rpc::RetryInfo info;
  ASSERT_TRUE(details.details(0).UnpackTo(&info));
  EXPECT_EQ(info.retry_delay().seconds(), 9);
}

TEST(GrpcStatusTest, CutsLongMessagesBetweenCharacters) {
  // 1023 bytes, then a character of two: it does not fit.
  const std::string message = std::string(1023, 'x') + "\xC3\xA9";
  EXPECT_EQ(ToGrpcStatus(absl::NotFoundError(message), "id").error_message(),
            std::string(1023, 'x') + "..");
}

}  // namespace
}  // namespace scanserve::server
