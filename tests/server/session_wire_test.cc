// Sessions over the wire: brought back to the server that made them, to another, and to one that
// must not take them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/npy.h"
#include "tests/server/test_server.h"

namespace scanserve::server {
namespace {

using testing::HasSubstr;

constexpr int64_t kMaxMessageBytes = int64_t{1} << 20;

// A Generate call with what this file looks at.
struct Part {
  grpc::Status status;
  v1::GenerateStarted started;
  std::vector<int32_t> tokens;
  // Of the log probabilities, to the bit.
  std::string logprobs;
  v1::GenerateFinished finished;
  std::vector<v1::SessionChunk> chunks;
  // Names of the events, one letter each: s, d, f, e (session) and u (summary).
  std::string events;

  std::string session() const {
    std::string bytes;
    for (const v1::SessionChunk& chunk : chunks) bytes += chunk.data();
    return bytes;
  }
};

Part Ask(v1::InferenceService::Stub& stub, const v1::GenerateRequest& request) {
  grpc::ClientContext context;
  Part part;
  const auto reader = stub.Generate(&context, request);
  v1::GenerateResponse response;
  while (reader->Read(&response)) {
    EXPECT_LE(static_cast<int64_t>(response.ByteSizeLong()), kMaxMessageBytes);
    if (response.has_started()) part.started = response.started();
    if (response.has_finished()) part.finished = response.finished();
    if (response.has_session()) part.chunks.push_back(response.session());
    for (const int32_t token : response.delta().token_ids()) part.tokens.push_back(token);
    for (const auto& logprob : response.delta().logprobs()) {
      part.logprobs += logprob.SerializeAsString();
    }
    part.events += response.has_started()    ? 's'
                   : response.has_delta()    ? 'd'
                   : response.has_finished() ? 'f'
                   : response.has_session()  ? 'e'
                                             : 'u';
  }
  part.status = reader->Finish();
  return part;
}

void SetTokens(v1::GenerateRequest& request, const std::vector<int32_t>& tokens) {
  request.mutable_prompt()->mutable_token_ids()->mutable_ids()->Assign(tokens.begin(),
                                                                       tokens.end());
}

v1::GenerateRequest Request(const std::vector<int32_t>& prompt, int tokens = 12) {
  v1::GenerateRequest request = GreedyRequest(tokens);
  SetTokens(request, prompt);
  request.mutable_sampling()->set_top_logprobs(2);
  return request;
}

Part Saved(v1::InferenceService::Stub& stub, v1::GenerateRequest request) {
  request.set_return_session(true);
  Part part = Ask(stub, request);
  EXPECT_TRUE(part.status.ok()) << part.status.error_message();
  EXPECT_FALSE(part.chunks.empty());
  return part;
}

v1::GenerateRequest Resume(const Part& first, const std::vector<int32_t>& prompt) {
  v1::GenerateRequest request = Request(prompt);
  request.set_session(first.session());
  return request;
}

void ExpectRefused(const grpc::Status& status, grpc::StatusCode code, const std::string& words) {
  EXPECT_EQ(status.error_code(), code) << status.error_message();
  EXPECT_THAT(status.error_message(), HasSubstr(words));
}

const std::vector<int32_t> kPrompt = {300, 301, 302, 303, 304, 305};
const std::vector<int32_t> kNext = {400, 401, 402};

// A folder that goes with the test.
class Folder {
 public:
  Folder() { EXPECT_NE(::mkdtemp(path_.data()), nullptr); }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string File(const std::string& name, const std::string& content) const {
    const std::string path = absl::StrCat(path_, "/", name);
    EXPECT_TRUE(base::WriteFileDurably(path, content).ok());
    return path;
  }

 private:
  std::string path_ = testing::TempDir() + "session-wire-XXXXXX";
};

std::string Key(const std::string& id, char digit) {
  return absl::StrCat(id, " ", std::string(64, digit), "\n");
}

TEST(SessionWireTest, AResumedAnswerIsTheStraightOneToTheBit) {
  TestServer server;
  const auto stub = server.NewInference();
  const Part first = Saved(*stub, Request(kPrompt));
  EXPECT_EQ(first.finished.reason(), v1::FINISH_REASON_LENGTH);
  EXPECT_THAT(first.events, testing::MatchesRegex("sd+fe+u"));
  const Part second = Ask(*stub, Resume(first, kNext));
  ASSERT_TRUE(second.status.ok()) << second.status.error_message();
  EXPECT_THAT(second.events, testing::MatchesRegex("sd+fu")) << "a session only when asked for";
  EXPECT_EQ(second.started.session_tokens(), 6 + 11);
  EXPECT_EQ(second.started.pending_tokens(), 1) << "the last token by length was not read";
  EXPECT_EQ(second.started.prompt_tokens(), 3);

  std::vector<int32_t> all = kPrompt;
  all.insert(all.end(), first.tokens.begin(), first.tokens.end());
  all.insert(all.end(), kNext.begin(), kNext.end());
  const Part straight = Ask(*stub, Request(all));
  EXPECT_EQ(second.tokens, straight.tokens);
  EXPECT_EQ(second.logprobs, straight.logprobs);
  EXPECT_EQ(straight.started.session_tokens() + straight.started.pending_tokens(), 0);
}

TEST(SessionWireTest, ItComesInChunksThatSayHowLongItIsAndLives) {
  ServerOptions options = TestServer::Options();
  options.session_ttl = absl::Hours(2);
  TestServer server(options);
  const Part part = Saved(*server.NewInference(), Request(kPrompt));
  const int64_t total = part.chunks[0].total_bytes();
  EXPECT_EQ(static_cast<int64_t>(part.session().size()), total);
  const absl::Duration left =
      absl::FromUnixSeconds(part.chunks[0].expires().seconds()) - absl::Now();
  EXPECT_GT(left, absl::Hours(1));
  EXPECT_LE(left, absl::Hours(2));
  for (const v1::SessionChunk& chunk : part.chunks) EXPECT_EQ(chunk.total_bytes(), total);
}

TEST(SessionWireTest, AnotherServerWithTheSameKeysGoesOnAndOneWithOthersDoesNot) {
  const Folder folder;
  ServerOptions options = TestServer::Options();
  options.session_keys_file = folder.File("shared", Key("a", '1'));
  TestServer one(options);
  TestServer two(options);
  const Part first = Saved(*one.NewInference(), Request(kPrompt));
  const Part here = Ask(*one.NewInference(), Resume(first, kNext));
  const Part there = Ask(*two.NewInference(), Resume(first, kNext));
  EXPECT_TRUE(there.status.ok()) << there.status.error_message();
  EXPECT_EQ(there.logprobs, here.logprobs);
  // The ring changes under the running servers: a new key seals, the old one still opens.
  folder.File("shared", Key("a", '1') + Key("b", '2'));
  EXPECT_TRUE(Ask(*two.NewInference(), Resume(first, kNext)).status.ok());
  const Part renewed = Saved(*two.NewInference(), Request(kPrompt));
  folder.File("shared", Key("b", '2'));
  EXPECT_TRUE(Ask(*one.NewInference(), Resume(renewed, kNext)).status.ok());
  ExpectRefused(Ask(*one.NewInference(), Resume(first, kNext)).status,
                grpc::StatusCode::FAILED_PRECONDITION,
                "session: it was sealed with key \"a\", which this server does not have");
  TestServer stranger;
  ExpectRefused(Ask(*stranger.NewInference(), Resume(renewed, kNext)).status,
                grpc::StatusCode::FAILED_PRECONDITION, "sealed with key \"b\"");
}

TEST(SessionWireTest, AnAlteredOrCutOneIsRefusedAndAnExpiredOne) {
  TestServer server;
  const auto stub = server.NewInference();
  const Part first = Saved(*stub, Request(kPrompt));
  v1::GenerateRequest request = Resume(first, kNext);
  const std::string whole = request.session();
  for (size_t place = 0; place < whole.size(); place += whole.size() / 12) {
    (*request.mutable_session())[place] ^= 1;
    ExpectRefused(Ask(*stub, request).status, grpc::StatusCode::INVALID_ARGUMENT, "session: it");
    request.set_session(whole);
  }
  for (const size_t length : {size_t{1}, size_t{100}, whole.size() / 2, whole.size() - 1}) {
    request.set_session(whole.substr(0, length));
    ExpectRefused(Ask(*stub, request).status, grpc::StatusCode::INVALID_ARGUMENT, "session: it");
  }
  ServerOptions options = TestServer::Options();
  options.session_ttl = absl::ZeroDuration();
  TestServer forgetful(options);
  const auto other = forgetful.NewInference();
  ExpectRefused(Ask(*other, Resume(Saved(*other, Request(kPrompt)), kNext)).status,
                grpc::StatusCode::FAILED_PRECONDITION, "session: it expired at ");
}

TEST(SessionWireTest, KeepsItsSettingWhateverIsActiveAndRefusesAnother) {
  TestServer server;
  const auto stub = server.NewInference();
  const std::string npy = base::FormatNpyIntegers(std::vector<int64_t>{3, 1, 2, 0, 5, 4, 6, 7});
  ASSERT_TRUE(server.backend().store().Put("mixed", npy, std::nullopt, false).ok());
  ASSERT_TRUE(
      server.backend()
          .store()
          .Put("other", base::FormatNpyIntegers(std::vector<int64_t>{1, 0}), std::nullopt, false)
          .ok());
  v1::GenerateRequest request = Request(kPrompt);
  v1::ScanSetting& setting = *request.mutable_scan()->mutable_setting();
  setting.mutable_order()->set_name("mixed");
  setting.add_target_layers(1);
  setting.set_readout(v1::READOUT_PIN_LAST);
  const Part first = Saved(*stub, request);

  v1::GenerateRequest resume = Resume(first, kNext);
  const Part unset = Ask(*stub, resume);
  ASSERT_TRUE(unset.status.ok()) << unset.status.error_message();
  EXPECT_EQ(unset.started.in_force().scan().SerializeAsString(),
            first.started.in_force().scan().SerializeAsString());
  *resume.mutable_scan() = request.scan();
  const Part named = Ask(*stub, resume);
  EXPECT_EQ(named.logprobs, unset.logprobs);
  const auto refused = [&](const auto& change) {
    v1::GenerateRequest changed = resume;
    change(*changed.mutable_scan());
    ExpectRefused(Ask(*stub, changed).status, grpc::StatusCode::FAILED_PRECONDITION,
                  "scan: the session began in order mixed (");
  };
  refused([](v1::ScanChoice& scan) { scan.mutable_identity(); });
  refused([](v1::ScanChoice& scan) { scan.mutable_active(); });
  refused([](v1::ScanChoice& scan) { scan.mutable_setting()->mutable_order()->set_name("other"); });
  refused([](v1::ScanChoice& scan) { scan.mutable_setting()->clear_target_layers(); });
  refused([](v1::ScanChoice& scan) { scan.mutable_setting()->clear_readout(); });
}

TEST(SessionWireTest, KeepsItsAdapterAndRefusesAnother) {
  const std::string adapters = SCANSERVE_SOURCE_DIR "/models/scanserve-6m/adapters/";
  const Folder folder;
  ServerOptions options = TestServer::Options();
  options.session_keys_file = folder.File("shared", Key("a", '1'));
  options.adapters.folders = {{"kjv", adapters + "kjv"}, {"devil", adapters + "devil"}};
  TestServer server(options);
  const auto stub = server.NewInference();
  v1::GenerateRequest request = Request(kPrompt);
  request.mutable_adapter()->mutable_ref()->set_name("kjv");
  const Part first = Saved(*stub, request);
  v1::GenerateRequest resume = Resume(first, kNext);
  const Part second = Ask(*stub, resume);
  EXPECT_EQ(second.started.in_force().adapter().name(), "kjv");
  std::vector<int32_t> all = kPrompt;
  all.insert(all.end(), first.tokens.begin(), first.tokens.end());
  all.insert(all.end(), kNext.begin(), kNext.end());
  v1::GenerateRequest straight = Request(all);
  *straight.mutable_adapter() = request.adapter();
  EXPECT_EQ(Ask(*stub, straight).logprobs, second.logprobs);
  resume.mutable_adapter()->mutable_base();
  ExpectRefused(Ask(*stub, resume).status, grpc::StatusCode::FAILED_PRECONDITION,
                "the request goes on without an adapter");
  resume.mutable_adapter()->mutable_ref()->set_name("devil");
  ExpectRefused(Ask(*stub, resume).status, grpc::StatusCode::FAILED_PRECONDITION,
                "adapter: the session began with adapter ");
  // A session without an adapter stays without one where another is the default.
  options.adapters.default_name = "kjv";
  TestServer other(options);
  v1::GenerateRequest plain = Request(kPrompt);
  plain.mutable_adapter()->mutable_base();
  const Part base = Ask(*other.NewInference(), Resume(Saved(*stub, plain), kNext));
  ASSERT_TRUE(base.status.ok()) << base.status.error_message();
  EXPECT_FALSE(base.started.in_force().has_adapter());
  options.adapters.default_name = "";
  options.adapters.folders = {};
  TestServer bare(options);
  ExpectRefused(Ask(*bare.NewInference(), Resume(first, kNext)).status,
                grpc::StatusCode::FAILED_PRECONDITION, "which is not served");
}

TEST(SessionWireTest, ADrawGoesOnUnlessASeedIsGiven) {
  TestServer server;
  const auto stub = server.NewInference();
  v1::GenerateRequest request = Request(kPrompt, 20);
  request.mutable_sampling()->set_do_sample(true);
  request.mutable_sampling()->set_seed(5);
  const Part whole = Ask(*stub, request);
  request.mutable_sampling()->set_max_new_tokens(8);
  const Part first = Saved(*stub, request);
  request.mutable_sampling()->set_max_new_tokens(12);
  request.mutable_sampling()->clear_seed();
  request.clear_prompt();
  request.set_session(first.session());
  const Part rest = Ask(*stub, request);
  ASSERT_TRUE(rest.status.ok()) << rest.status.error_message();
  EXPECT_EQ(rest.started.sampling().seed(), 5U);
  EXPECT_EQ(rest.started.prompt_tokens(), 0);
  EXPECT_EQ(first.logprobs + rest.logprobs, whole.logprobs);
  request.mutable_sampling()->set_seed(5);
  const Part anew = Ask(*stub, request);
  EXPECT_EQ(anew.started.sampling().seed(), 5U);
  EXPECT_NE(anew.logprobs, rest.logprobs) << "a seed that is given starts at its first draw";
}

TEST(SessionWireTest, WithoutPendingTokensAPromptIsNeeded) {
  TestServer server;
  const auto stub = server.NewInference();
  v1::GenerateRequest request = Request(kPrompt);
  request.mutable_sampling()->add_stop_token_ids(Ask(*stub, request).tokens[4]);
  const Part stopped = Saved(*stub, request);
  EXPECT_EQ(stopped.finished.reason(), v1::FINISH_REASON_STOP_TOKEN);
  v1::GenerateRequest resume = Resume(stopped, {});
  resume.clear_prompt();
  ExpectRefused(Ask(*stub, resume).status, grpc::StatusCode::INVALID_ARGUMENT, "prompt");
  SetTokens(resume, kNext);
  const Part second = Ask(*stub, resume);
  EXPECT_TRUE(second.status.ok());
  EXPECT_EQ(second.started.pending_tokens(), 0);
  EXPECT_EQ(second.started.session_tokens(), static_cast<int64_t>(6 + stopped.tokens.size()));
}

TEST(SessionWireTest, ASessionThatNoRequestCouldBringBackIsNotMade) {
  ServerOptions options = TestServer::Options();
  options.max_message_bytes = 200 << 10;
  TestServer server(options);
  v1::GenerateRequest request = Request(kPrompt);
  request.set_return_session(true);
  ExpectRefused(Ask(*server.NewInference(), request).status, grpc::StatusCode::INVALID_ARGUMENT,
                "--max-message-bytes is 204800");
}

}  // namespace
}  // namespace scanserve::server
