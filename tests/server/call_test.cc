#include "server/call.h"

#include <gtest/gtest.h>

namespace scanserve::server {
namespace {

TEST(RequestIdTest, KeepsGoodIds) {
  EXPECT_EQ(RequestId("Az09._-"), "Az09._-");
  EXPECT_EQ(RequestId(std::string(64, 'a')), std::string(64, 'a'));
}

TEST(RequestIdTest, ReplacesOthersByNewOnes) {
  for (const std::string& bad : {std::string(), std::string(65, 'a'), std::string("a b"),
                                 std::string("a\n"), std::string("\xC3\xA9")}) {
    const std::string id = RequestId(bad);
    EXPECT_EQ(id.size(), 16u);
    EXPECT_NE(id, RequestId(bad));
  }
}

TEST(TraceIdTest, TakesTheTraceOfAWellFormedParentOnly) {
  const std::string trace = "0af7651916cd43dd8448eb211c80319c";
  const std::string rest = "-b7ad6b7169203331-01";
  EXPECT_EQ(TraceIdOf("00-" + trace + rest), trace);
  EXPECT_EQ(TraceIdOf("cc-" + trace + rest + "-what-comes-later"), trace);
  for (const std::string& bad :
       {std::string(), "ff-" + trace + rest, "00-" + trace + rest + "-more", trace,
        "00-" + std::string(32, '0') + rest, "00-" + trace + "-0000000000000000-01",
        "00-" + trace.substr(1) + rest, "00-" + trace.substr(1) + "G" + rest,
        "00-" + trace.substr(1) + "A" + rest, "0-" + trace + rest}) {
    EXPECT_EQ(TraceIdOf(bad), "") << bad;
  }
}

TEST(CallerTest, IsTheHostOfThePeerWithoutItsPort) {
  EXPECT_EQ(CallerOf("ipv4:10.0.0.7:4711"), "ipv4:10.0.0.7");
  EXPECT_EQ(CallerOf("ipv6:[::1]:4711"), "ipv6:[::1]");
  EXPECT_EQ(CallerOf("ipv6:%5B::1%5D:4711"), "ipv6:%5B::1%5D");
  EXPECT_EQ(CallerOf("unix:/run/scanserve.sock"), "unix:/run/scanserve.sock");
  EXPECT_EQ(CallerOf(""), "");
}

}  // namespace
}  // namespace scanserve::server
