#include "server/server_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "server/option_reader.h"

namespace scanserve::server {
namespace {

using testing::HasSubstr;

ServerOptions GoodOptions() {
  ServerOptions options;
  options.model_folder = "/model";
  options.store_folder = "/store";
  return options;
}

absl::StatusOr<std::optional<ServerOptions>> Read(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), {"scanserve-server", "--store", "/store"});
  return ReadOptions(static_cast<int>(arguments.size()), arguments.data());
}

TEST(ServerOptionsTest, DefaultsAreValid) { EXPECT_TRUE(Validate(GoodOptions()).ok()); }

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
  const std::string message(Validate(options).message());
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
  EXPECT_THAT(Validate(options).message(), HasSubstr("only loopback addresses"));
  options.insecure_no_tls = true;
  EXPECT_THAT(Validate(options).message(), HasSubstr("only loopback addresses"));
  options.insecure_no_auth = true;
  EXPECT_TRUE(Validate(options).ok());
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

TEST(OptionReaderTest, ReadsEveryKindOfFlag) {
  const auto read = Read({"--model",
                          "/m",
                          "--adapter",
                          "a=/x",
                          "--adapter",
                          "b=/y=z",
                          "--default-adapter",
                          "b",
                          "--numerics",
                          "torch",
                          "--threads",
                          "3",
                          "--drain-delay",
                          "250ms",
                          "--reflection",
                          "--merge-adapter",
                          "a",
                          "--merge-adapter",
                          "c",
                          "--adapter-root",
                          "/r",
                          "--log-format",
                          "json",
                          "--max-new-tokens",
                          "9",
                          "--low-priority-slowdown",
                          "1.75",
                          "--stall-park",
                          "90ms",
                          "--park-bytes",
                          "5",
                          "--prefix-cache-bytes",
                          "0",
                          "--prefix-block-tokens",
                          "64"});
  ASSERT_TRUE(read.ok()) << read.status();
  const ServerOptions& options = **read;
  EXPECT_EQ(options.model_folder, "/m");
  EXPECT_THAT(options.adapters.folders,
              testing::ElementsAre(testing::Pair("a", "/x"), testing::Pair("b", "/y=z")));
  EXPECT_EQ(options.adapters.default_name, "b");
  EXPECT_THAT(options.adapters.merged, testing::ElementsAre("a", "c"));
  EXPECT_EQ(options.adapter_root, "/r");
  EXPECT_EQ(options.numerics, Numerics::kTorch);
  EXPECT_EQ(options.engine.threads, 3);
  EXPECT_EQ(options.engine.prefix_cache_bytes, 0);
  EXPECT_EQ(options.engine.prefix_block_tokens, 64);
  EXPECT_EQ(options.drain_delay, absl::Milliseconds(250));
  EXPECT_TRUE(options.reflection);
  EXPECT_EQ(options.log.format, LogFormat::kJson);
  EXPECT_EQ(options.limits.new_tokens, 9);
  EXPECT_EQ(options.engine.low_priority_slowdown, 1.75);
  EXPECT_EQ(options.engine.stall_park, absl::Milliseconds(90));
  EXPECT_EQ(options.engine.park_bytes, 5);
}

TEST(OptionReaderTest, FindsTheEmbeddedModelWhenNoneIsNamed) {
  const auto read = Read({});
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ((*read)->model_folder, SCANSERVE_SOURCE_DIR "/models/scanserve-6m");
}

TEST(OptionReaderTest, RefusesWhatItCannotRead) {
  EXPECT_THAT(Read({"--threads", "many"}).status().message(), HasSubstr("many"));
  EXPECT_THAT(Read({"--drain-delay", "soon"}).status().message(), HasSubstr("soon"));
  EXPECT_THAT(Read({"--adapter", "folder"}).status().message(), HasSubstr("NAME=FOLDER"));
  EXPECT_THAT(Read({"--frobnicate"}).status().message(), HasSubstr("frobnicate"));
  EXPECT_THAT(Read({"--numerics", "f8"}).status().message(), HasSubstr("f8"));
}

}  // namespace
}  // namespace scanserve::server
