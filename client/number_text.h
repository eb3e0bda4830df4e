// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace scanserve::client {

// 1234567 is "1,234,567".
std::string WithThousands(int64_t number);

// "812 B", "1.2 MiB".
std::string BytesText(int64_t bytes);

// "340 us", "12 ms", "3.4 s", "2 min 5 s", "1 h 20 min".
std::string DurationText(absl::Duration duration);

absl::Duration FromProto(const google::protobuf::Duration& duration);

// "2026-01-31 18:02:11" in local time; "-" for the epoch itself, an unset field.
std::string TimeText(const google::protobuf::Timestamp& time);

}  // namespace scanserve::client
