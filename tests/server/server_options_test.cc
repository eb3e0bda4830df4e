#include "server/server_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace scanserve::server {
namespace {

using testing::HasSubstr;

ServerOptions GoodOptions() {
  ServerOptions options;
  options.model_folder = "/model";
  options.store_folder = "/store";
  return options;
}

TEST(ServerOptionsTest, DefaultsAreValid) { EXPECT_TRUE(FaultsOf(GoodOptions()).ToStatus().ok()); }

TEST(ServerOptionsTest, NamesEveryFaultAtOnce) {
  ServerOptions options = GoodOptions();
  options.engine.state_slots = 0;
  options.adapters.default_name = "no/body";
  options.adapters.merged = {"kjv", ".devil"};
  options.engine.prefix_cache_bytes = -1;
  options.engine.prefix_block_tokens = 0;
  options.drain_delay = absl::Seconds(-1);
  options.log.level = "loud";
  options.engine.prompt_slowdown = 0.5;
  options.engine.low_priority_share = std::nan("");
  options.engine.stall_park = absl::ZeroDuration();
  options.engine.park_bytes = -1;
  options.session_ttl = absl::Hours(721);
  const std::string message(FaultsOf(options).ToStatus().message());
  EXPECT_THAT(message, HasSubstr("--max-sequences 0: must be 1 to 65536"));
  EXPECT_THAT(message, HasSubstr("--default-adapter no/body: the name must be"));
  EXPECT_THAT(message, HasSubstr("--merge-adapter .devil: the name must be"));
  EXPECT_THAT(message, HasSubstr("--prefix-cache-bytes -1: must be 0 to"));
  EXPECT_THAT(message, HasSubstr("--prefix-block-tokens 0: must be 1 to"));
  EXPECT_THAT(message, HasSubstr("--drain-delay -1s"));
  EXPECT_THAT(message, HasSubstr("--log-level loud"));
  EXPECT_THAT(message, HasSubstr("--prompt-slowdown 0.5: must be 1 to 1000"));
  EXPECT_THAT(message, HasSubstr("--low-priority-share nan: must be 0.01 to 0.99"));
  EXPECT_THAT(message, HasSubstr("--stall-park 0: must be 1ms to 24h"));
  EXPECT_THAT(message, HasSubstr("--park-bytes -1"));
  EXPECT_THAT(message, HasSubstr("--session-ttl 721h: must be 1s to 720h"));
}

TEST(ServerOptionsTest, PublicAddressesNeedBothInsecureFlags) {
  ServerOptions options = GoodOptions();
  options.listen = "0.0.0.0:50051";
  EXPECT_THAT(FaultsOf(options).ToStatus().message(), HasSubstr("--insecure-no-tls; "));
  options.insecure_no_tls = true;
  EXPECT_THAT(FaultsOf(options).ToStatus().message(), HasSubstr("only loopback addresses"));
  options.insecure_no_auth = true;
  EXPECT_TRUE(FaultsOf(options).ToStatus().ok());
  options.reflection = true;
  EXPECT_THAT(FaultsOf(options).ToStatus().message(), HasSubstr("--reflection true: needs"));
}

TEST(ServerOptionsTest, PublicAddressesAreServedWithTlsAndTokensOrClientCertificates) {
  ServerOptions options = GoodOptions();
  options.listen = "0.0.0.0:50051";
  options.reflection = true;
  options.security.tls_certificate = "c";
  options.security.tls_key = "k";
  EXPECT_THAT(FaultsOf(options).ToStatus().message(), HasSubstr("--tokens"));
  options.security.tokens = "t";
  EXPECT_TRUE(FaultsOf(options).ToStatus().ok());
  options.security.tokens = "";
  options.security.tls_client_ca = "a";
  EXPECT_TRUE(FaultsOf(options).ToStatus().ok());
  options.security.tls_key = "";
  EXPECT_THAT(FaultsOf(options).ToStatus().message(), HasSubstr("goes together"));
}

TEST(ServerOptionsTest, KnowsLoopbackAddresses) {
  EXPECT_TRUE(IsLoopback("127.0.0.1"));
  EXPECT_TRUE(IsLoopback("127.9.9.9"));
  EXPECT_TRUE(IsLoopback("::1"));
  EXPECT_TRUE(IsLoopback("localhost"));
  EXPECT_FALSE(IsLoopback("0.0.0.0"));
  EXPECT_FALSE(IsLoopback("::"));
  EXPECT_FALSE(IsLoopback("128.0.0.1"));
  EXPECT_FALSE(IsLoopback("localhost.example.org"));
}

TEST(ServerOptionsTest, ReadsHostAndPort) {
  EXPECT_EQ(*ParseListen("localhost:0"), std::make_pair(std::string("localhost"), 0));
  EXPECT_EQ(*ParseListen("[::1]:50051"), std::make_pair(std::string("::1"), 50051));
  for (const char* bad : {"", "host", ":1", "host:", "host:65536", "host:-1", "::1:80"}) {
    EXPECT_FALSE(ParseListen(bad).ok()) << bad;
  }
}

TEST(ServerOptionsTest, DescribesEachOptionByItsKey) {
  ServerOptions options = GoodOptions();
  options.adapters.folders = {{"a", "/x"}, {"b", "/y"}};
  options.engine.prompt_slowdown = 1.25;
  const std::string line = FormatJsonLine("t", "info", "starting", Describe(options));
  EXPECT_THAT(line, HasSubstr(R"("adapter":"a=/x,b=/y")"));
  EXPECT_THAT(line, HasSubstr(R"("threads":0)"));
  EXPECT_THAT(line, HasSubstr(R"("prompt_slowdown":1.25)"));
  EXPECT_THAT(line, HasSubstr(R"("insecure_no_tls":false)"));
  EXPECT_THAT(line, HasSubstr(R"("drain_delay":"5s")"));
}

}  // namespace
}  // namespace scanserve::server
