#include "client/number_text.h"

#include <gtest/gtest.h>

namespace scanserve::client {
namespace {

TEST(NumberTextTest, SeparatesThousands) {
  EXPECT_EQ(WithThousands(0), "0");
  EXPECT_EQ(WithThousands(999), "999");
  EXPECT_EQ(WithThousands(1000), "1,000");
  EXPECT_EQ(WithThousands(1234567), "1,234,567");
  EXPECT_EQ(WithThousands(-123456), "-123,456");
  EXPECT_EQ(WithThousands(-1234567), "-1,234,567");
}

TEST(NumberTextTest, GivesBytesInTheUnitThatFits) {
  EXPECT_EQ(BytesText(1023), "1023 B");
  EXPECT_EQ(BytesText(1536), "1.5 KiB");
  EXPECT_EQ(BytesText(25'299'200), "24.1 MiB");
}

TEST(NumberTextTest, GivesDurationsInTheUnitThatFits) {
  EXPECT_EQ(DurationText(absl::Microseconds(340)), "340 us");
  EXPECT_EQ(DurationText(absl::Milliseconds(12)), "12 ms");
  EXPECT_EQ(DurationText(absl::Seconds(3.4)), "3.4 s");
  EXPECT_EQ(DurationText(absl::Seconds(125)), "2 min 5 s");
  EXPECT_EQ(DurationText(absl::Minutes(80)), "1 h 20 min");
}

TEST(NumberTextTest, ShowsAnUnsetTimeAsADash) {
  EXPECT_EQ(TimeText(google::protobuf::Timestamp()), "-");
}

}  // namespace
}  // namespace scanserve::client
