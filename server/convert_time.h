// Times between our types and protobuf's.
#pragma once

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace scanserve::server {

google::protobuf::Timestamp TimestampToProto(absl::Time time);
// Infinite past for a timestamp that protobuf does not allow.
absl::Time TimestampFromProto(const google::protobuf::Timestamp& timestamp);
google::protobuf::Duration DurationToProto(absl::Duration duration);
absl::Duration DurationFromProto(const google::protobuf::Duration& duration);

}  // namespace scanserve::server
