#include "server/convert_time.h"

namespace scanserve::server {
namespace {

// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z: protobuf's range.
constexpr int64_t kFirstSecond = -62'135'596'800;
constexpr int64_t kLastSecond = 253'402'300'799;

}  // namespace

google::protobuf::Timestamp TimestampToProto(absl::Time time) {
  google::protobuf::Timestamp timestamp;
  absl::Duration rest = time - absl::UnixEpoch();
  int64_t seconds = absl::IDivDuration(rest, absl::Seconds(1), &rest);
  // Division truncates; nanoseconds must not be negative.
  if (rest < absl::ZeroDuration()) {
    --seconds;
    rest += absl::Seconds(1);
  }
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
  return timestamp;
}

absl::Time TimestampFromProto(const google::protobuf::Timestamp& timestamp) {
  if (timestamp.seconds() < kFirstSecond || timestamp.seconds() > kLastSecond ||
      timestamp.nanos() < 0 || timestamp.nanos() > 999'999'999) {
    return absl::InfinitePast();
  }
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

google::protobuf::Duration DurationToProto(absl::Duration duration) {
  google::protobuf::Duration proto;
  proto.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
  return proto;
}

absl::Duration DurationFromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

}  // namespace scanserve::server
