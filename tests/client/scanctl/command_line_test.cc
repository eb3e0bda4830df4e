// What command lines become requests, and which are refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "client/scanctl/commands.h"
#include "scanserve/v1/inference_service.grpc.pb.h"
#include "scanserve/v1/scan_order_service.grpc.pb.h"
#include "tests/client/fake_server.h"
#include "tests/client/temporary_folder.h"

namespace scanserve::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Keeps the requests and answers with as little as the contract allows.
class FakeInference : public v1::InferenceService::Service {
 public:
  grpc::Status Generate(grpc::ServerContext*, const v1::GenerateRequest* request,
                        grpc::ServerWriter<v1::GenerateResponse>* writer) override {
    generate = *request;
    v1::GenerateResponse response;
    response.mutable_delta()->set_text("answer");
    writer->Write(response);
    response.mutable_finished()->set_reason(v1::FINISH_REASON_LENGTH);
    writer->Write(response);
    for (const std::string& data : session_chunks) {
      response.mutable_session()->set_data(data);
      response.mutable_session()->set_total_bytes(session_bytes);
      writer->Write(response);
    }
    return status;
  }

  grpc::Status ComputePerplexity(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::ComputePerplexityResponse, v1::ComputePerplexityRequest>* stream)
      override {
    v1::ComputePerplexityRequest request;
    stream->Read(&request);
    perplexity = request.settings();
    while (stream->Read(&request)) {
    }
    v1::ComputePerplexityResponse response;
    response.mutable_totals();
    stream->Write(response);
    return status;
  }

  grpc::Status Compare(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::CompareResponse, v1::CompareRequest>* stream) override {
    v1::CompareRequest request;
    stream->Read(&request);
    compare = request.settings();
    while (stream->Read(&request)) {
    }
    v1::CompareResponse response;
    response.mutable_totals()->mutable_estimate()->set_verdict(v1::COMPARE_VERDICT_WORSE);
    stream->Write(response);
    return status;
  }

  v1::GenerateRequest generate;
  std::vector<std::string> session_chunks;
  int64_t session_bytes = 0;
  v1::PerplexitySettings perplexity;
  v1::CompareSettings compare;
  grpc::Status status;
};

class FakeOrders : public v1::ScanOrderService::Service {
 public:
  grpc::Status SetActiveScan(grpc::ServerContext*, const v1::SetActiveScanRequest* request,
                             v1::SetActiveScanResponse* response) override {
    activated = *request;
    *response->mutable_active()->mutable_setting() = request->setting();
    return grpc::Status::OK;
  }

  v1::SetActiveScanRequest activated;
};

void AddAll(Program& program) {
  AddGenerate(program);
  AddPerplexity(program);
  AddCompare(program);
  AddExtract(program);
  AddTokenize(program);
  AddDetokenize(program);
  AddOrders(program);
  AddAdapters(program);
  AddExperiments(program);
  AddInfo(program);
  AddAudit(program);
  AddHealth(program);
  AddBench(program);
  AddSessionKeys(program);
}

class CommandLineTest : public testing::Test {
 protected:
  CommandLineTest() : server_({&inference_, &orders_}) {}

  // The exit status; what was written is in output_ and error_.
  int Scanctl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"scanctl", "--server", server_.address()});
    std::vector<const char*> argv;
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    Program program("Test.", "scanctl");
    AddAll(program);
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int status = scanserve::client::Run(program, static_cast<int>(argv.size()), argv.data());
    output_ = testing::internal::GetCapturedStdout();
    error_ = testing::internal::GetCapturedStderr();
    return status;
  }

  FakeInference inference_;
  FakeOrders orders_;
  FakeServer server_;
  std::string output_;
  std::string error_;
};

TEST_F(CommandLineTest, LeavesToTheServerWhatIsNotGiven) {
  ASSERT_EQ(Scanctl({"generate", "text"}), kExitOk);
  EXPECT_EQ(output_, "answer\n");
  const v1::SamplingParameters& sampling = inference_.generate.sampling();
  EXPECT_EQ(sampling.SerializeAsString(), "");
  EXPECT_TRUE(inference_.generate.scan().has_assigned());
  EXPECT_TRUE(inference_.generate.adapter().has_assigned());
  EXPECT_EQ(inference_.generate.prompt().text_bytes(), "text");
}

TEST_F(CommandLineTest, SendsEachSamplingFlagInItsField) {
  ASSERT_EQ(Scanctl({"generate",
                     "text",
                     "-m",
                     "7",
                     "-t",
                     "0.5",
                     "--top-k",
                     "3",
                     "--top-p",
                     "0.9",
                     "--min-p",
                     "0.1",
                     "--seed",
                     "18446744073709551615",
                     "--repetition-penalty",
                     "1.5",
                     "--presence-penalty",
                     "-2",
                     "--frequency-penalty",
                     "2",
                     "--stop",
                     "a,b",
                     "--stop",
                     "c",
                     "--stop-token-ids",
                     "1,2",
                     "--logit-bias",
                     "5=-2.5",
                     "--suppress-tokens",
                     "8,9",
                     "--greedy",
                     "--ignore-eos",
                     "--top-logprobs",
                     "2",
                     "-n",
                     "2"}),
            kExitOk)
      << error_;
  const v1::SamplingParameters& sampling = inference_.generate.sampling();
  EXPECT_EQ(sampling.max_new_tokens(), 7);
  EXPECT_EQ(sampling.temperature(), 0.5F);
  EXPECT_EQ(sampling.top_k(), 3);
  EXPECT_EQ(sampling.top_p(), 0.9F);
  EXPECT_EQ(sampling.min_p(), 0.1F);
  EXPECT_EQ(sampling.seed(), 18446744073709551615U);
  EXPECT_EQ(sampling.repetition_penalty(), 1.5F);
  EXPECT_EQ(sampling.presence_penalty(), -2);
  EXPECT_EQ(sampling.frequency_penalty(), 2);
  EXPECT_THAT(sampling.stop_strings(), ElementsAre("a,b", "c"));
  EXPECT_THAT(sampling.stop_token_ids(), ElementsAre(1, 2));
  EXPECT_EQ(sampling.logit_bias().at(5), -2.5F);
  EXPECT_THAT(sampling.suppress_tokens().ids(), ElementsAre(8, 9));
  EXPECT_TRUE(sampling.has_do_sample());
  EXPECT_FALSE(sampling.do_sample());
  EXPECT_TRUE(sampling.ignore_eos());
  EXPECT_TRUE(sampling.logprobs());
  EXPECT_EQ(sampling.top_logprobs(), 2);
  EXPECT_EQ(sampling.n(), 2);
}

TEST_F(CommandLineTest, AsksForThePromptOnlyWhenTold) {
  ASSERT_EQ(Scanctl({"generate", "text"}), kExitOk);
  EXPECT_FALSE(inference_.generate.echo() || inference_.generate.prompt_logprobs());
  ASSERT_EQ(Scanctl({"generate", "text", "--echo"}), kExitOk);
  EXPECT_TRUE(inference_.generate.echo());
  EXPECT_FALSE(inference_.generate.prompt_logprobs());
  ASSERT_EQ(Scanctl({"generate", "text", "--prompt-logprobs"}), kExitOk);
  EXPECT_FALSE(inference_.generate.echo());
  EXPECT_TRUE(inference_.generate.prompt_logprobs());
}

TEST_F(CommandLineTest, TellsAnEmptyListOfSuppressedTokensFromNone) {
  ASSERT_EQ(Scanctl({"generate", "text", "--suppress-nothing"}), kExitOk);
  EXPECT_TRUE(inference_.generate.sampling().has_suppress_tokens());
  EXPECT_EQ(inference_.generate.sampling().suppress_tokens().ids_size(), 0);
}

TEST_F(CommandLineTest, SendsTheScanSettingAndTheAdapter) {
  ASSERT_EQ(Scanctl({"generate", "text", "--order", "wiki@2", "--target-layers", "0,3", "--readout",
                     "pin-last", "--adapter", "kjv"}),
            kExitOk)
      << error_;
  const v1::ScanSetting& setting = inference_.generate.scan().setting();
  EXPECT_EQ(setting.order().name(), "wiki");
  EXPECT_EQ(setting.order().version(), 2);
  EXPECT_THAT(setting.target_layers(), ElementsAre(0, 3));
  EXPECT_EQ(setting.readout(), v1::READOUT_PIN_LAST);
  EXPECT_EQ(inference_.generate.adapter().ref().name(), "kjv");

  ASSERT_EQ(Scanctl({"generate", "text", "--identity", "--no-adapter"}), kExitOk);
  EXPECT_TRUE(inference_.generate.scan().has_identity());
  EXPECT_TRUE(inference_.generate.adapter().has_base());
}

TEST_F(CommandLineTest, TakesTokenIdsAsThePrompt) {
  ASSERT_EQ(Scanctl({"generate", "--token-ids", "4,5,6"}), kExitOk);
  EXPECT_THAT(inference_.generate.prompt().token_ids().ids(), ElementsAre(4, 5, 6));
}

TEST_F(CommandLineTest, TakesAPromptThatIsTheNameOfACommand) {
  ASSERT_EQ(Scanctl({"generate", "info"}), kExitOk);
  EXPECT_EQ(inference_.generate.prompt().text_bytes(), "info");
}

TEST_F(CommandLineTest, TakesSharedFlagsBehindTheCommandToo) {
  ASSERT_EQ(Scanctl({"generate", "text", "--json"}), kExitOk);
  EXPECT_THAT(output_, HasSubstr("{\"event\":\"delta\",\"choice\":0,\"text\":\"answer\""));
}

TEST_F(CommandLineTest, BringsASessionBackAndSavesTheNextWhole) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("talk", "before");
  inference_.session_chunks = {"af", "ter"};
  inference_.session_bytes = 5;
  ASSERT_EQ(Scanctl({"generate", "text", "--session", path, "--save-session", path}), kExitOk)
      << error_;
  EXPECT_EQ(inference_.generate.session(), "before");
  EXPECT_TRUE(inference_.generate.return_session());
  EXPECT_EQ(folder.Read("talk"), "after");
  ASSERT_EQ(Scanctl({"generate", "text"}), kExitOk);
  EXPECT_FALSE(inference_.generate.return_session());
  EXPECT_EQ(inference_.generate.session(), "");
}

TEST_F(CommandLineTest, KeepsTheOldFileWhenASessionDoesNotArriveWhole) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("talk", "before");
  const auto save = [&](std::vector<std::string> chunks) {
    inference_.session_chunks = std::move(chunks);
    EXPECT_EQ(Scanctl({"generate", "text", "--save-session", path}), kExitFailed);
    EXPECT_EQ(folder.Read("talk"), "before");
    return error_;
  };
  inference_.session_bytes = 5;
  EXPECT_THAT(save({}), HasSubstr("the server sent 0 bytes of a session of 0"));
  EXPECT_THAT(save({"af"}), HasSubstr("the server sent 2 bytes of a session of 5"));
  EXPECT_THAT(save({"after", "wards"}), HasSubstr("the server sent 10 bytes of a session of 5"));
}

TEST_F(CommandLineTest, SlidingWindowsAreReadNaturallyWhateverIsActive) {
  ASSERT_EQ(Scanctl({"perplexity", "/dev/null", "--mode", "sliding", "--window", "8"}), kExitOk)
      << error_;
  EXPECT_TRUE(inference_.perplexity.scan().has_identity());
  EXPECT_EQ(inference_.perplexity.window_tokens(), 8);
  ASSERT_EQ(Scanctl({"perplexity", "/dev/null"}), kExitOk);
  EXPECT_TRUE(inference_.perplexity.scan().has_assigned());
}

TEST_F(CommandLineTest, ComparesWhatTheFlagsOfEachArmName) {
  ASSERT_EQ(Scanctl({"compare",    "--corpus",    "/dev/null", "--b",
                     "wiki@2",     "--readout-b", "pin-last",  "--target-layers-b",
                     "1,3",        "--adapter-a", "none",      "--adapter-b",
                     "kjv",        "--prefix",    "8",         "--margin",
                     "0.01",       "--alpha",     "0.1",       "--plan",
                     "open-ended", "--seed",      "9",         "--keep-going"}),
            kExitOk)
      << error_;
  const v1::CompareSettings& sent = inference_.compare;
  EXPECT_TRUE(sent.a().scan().has_identity());
  EXPECT_TRUE(sent.a().adapter().has_base());
  EXPECT_EQ(sent.b().scan().setting().order().name(), "wiki");
  EXPECT_EQ(sent.b().scan().setting().order().version(), 2);
  EXPECT_EQ(sent.b().scan().setting().readout(), v1::READOUT_PIN_LAST);
  EXPECT_THAT(sent.b().scan().setting().target_layers(), ElementsAre(1, 3));
  EXPECT_EQ(sent.b().adapter().ref().name(), "kjv");
  EXPECT_EQ(sent.mode(), v1::PERPLEXITY_MODE_CONTINUATION);
  EXPECT_EQ(sent.prefix_tokens(), 8);
  EXPECT_EQ(sent.margin(), .01);
  EXPECT_EQ(sent.alpha(), .1);
  EXPECT_EQ(sent.plan(), v1::COMPARE_PLAN_OPEN_ENDED);
  EXPECT_EQ(sent.seed(), 9);
  EXPECT_FALSE(sent.stop_early());
  EXPECT_FALSE(sent.per_token());
}

TEST_F(CommandLineTest, ComparesIdentityWithItselfUnlessToldOtherwise) {
  ASSERT_EQ(Scanctl({"compare", "--corpus", "/dev/null", "--mode", "full-window"}), kExitOk)
      << error_;
  const v1::CompareSettings& sent = inference_.compare;
  EXPECT_TRUE(sent.b().scan().has_identity());
  EXPECT_TRUE(sent.b().adapter().has_assigned());
  EXPECT_EQ(sent.prefix_tokens(), 0);
  EXPECT_TRUE(sent.stop_early());
}

TEST_F(CommandLineTest, FailsWhereAComparisonDoesNotShowWhatIsExpected) {
  EXPECT_EQ(Scanctl({"compare", "--corpus", "/dev/null", "--expect", "not-worse"}), kExitFailed);
  EXPECT_THAT(output_, HasSubstr("worse: B predicts worse"));
  EXPECT_THAT(error_, HasSubstr("expected B to be not-worse: worse: B predicts worse"));
}

TEST_F(CommandLineTest, ActivatesASettingAndDeactivatesIt) {
  ASSERT_EQ(Scanctl({"orders", "activate", "wiki", "--target-layers", "1", "--expected-revision",
                     "0", "--force"}),
            kExitOk)
      << error_;
  EXPECT_EQ(orders_.activated.setting().order().name(), "wiki");
  EXPECT_TRUE(orders_.activated.has_expected_revision());
  EXPECT_TRUE(orders_.activated.force());
  EXPECT_THAT(output_, HasSubstr("active: wiki, layers 1"));
  ASSERT_EQ(Scanctl({"orders", "deactivate"}), kExitOk);
  EXPECT_FALSE(orders_.activated.setting().has_order());
  EXPECT_FALSE(orders_.activated.has_expected_revision());
}

TEST_F(CommandLineTest, ReportsAFailedCallInOneLineAndStatus1) {
  inference_.status = grpc::Status(grpc::StatusCode::NOT_FOUND, "no order \"x\"\x1B[2J");
  EXPECT_EQ(Scanctl({"generate", "text"}), kExitFailed);
  EXPECT_EQ(error_, "error: NOT_FOUND: no order \"x\"\xEF\xBF\xBD[2J\n");
}

TEST_F(CommandLineTest, RefusesWrongUseWithStatus2AndAsksNoServer) {
  inference_.generate.set_request_id("untouched");
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"unknown"},
      {"orders"},
      {"generate", "a", "b"},
      {"generate", "a", "--top-k", "x"},
      {"generate", "a", "--logit-bias", "5"},
      {"generate", "a", "--logit-bias", "5=inf"},
      {"generate", "a", "--order", "x", "--identity"},
      {"generate", "a", "--adapter", "x", "--no-adapter"},
      {"generate", "a", "--target-layers", "1"},
      {"generate", "a", "--readout", "pin-last"},
      {"generate", "a", "--order", "x", "--readout", "unspecified"},
      {"generate", "a", "--prompt-file", "b"},
      {"generate", "a", "--timeout", "0"},
      {"generate", "a", "--timeout", "soon"},
      {"perplexity"},
      {"perplexity", "file", "--documents", "page"},
      {"perplexity", "file", "--mode", "wide"},
      {"compare"},
      {"compare", "--corpus", "file", "--expect", "worse"},
      {"compare", "--corpus", "file", "--plan", "loose"},
      {"experiments", "create", "trial"},
      {"experiments", "create", "trial", "--arm", "a"},
      {"experiments", "create", "trial", "--arm", "a:1", "--stop-on", "boredom"},
      {"experiments", "stop"},
      {"extract", "file"},
      {"extract", "file", "--out", "o", "--range", "5"},
      {"orders", "activate", "name@0"},
      {"bench", "--clients", "0"},
      {"bench", "--clients", "10001"},
      {"bench", "--requests", "0"},
      {"bench", "--warm-up", "-1"},
      {"bench", "--rate", "0"},
      {"bench", "--rate", "5", "--think-time", "1s"},
      {"bench", "--arrivals", "constant"},
      {"bench", "--rate", "5", "--arrivals", "bursty"},
      {"bench", "--duration", "soon"},
      {"bench", "--prompt-tokens", "uniform:9:3"},
      {"bench", "--prompt-tokens", "9", "--prompt-file", "f"},
      {"bench", "--shared-prefix", "1.5"},
      {"bench", "--mix", "score"},
      {"audit", "--limit", "0"},
      {"audit", "--since", "yesterday"},
      {"session-keys"},
      {"session-keys", "new"},
      {"session-keys", "rotate", "file", "--keep", "0"},
  };
  for (const auto& arguments : wrong) {
    EXPECT_EQ(Scanctl(arguments), kExitUsage) << testing::PrintToString(arguments);
    EXPECT_THAT(error_, HasSubstr("error: "));
    EXPECT_THAT(error_, HasSubstr("--help"));
  }
  EXPECT_EQ(inference_.generate.request_id(), "untouched");
}

void ForEachCommand(const CLI::App& app, const std::function<void(const CLI::App&)>& visit) {
  visit(app);
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    ForEachCommand(*command, visit);
  }
}

TEST(HelpTest, FitsIntoEightyColumnsAndHasAnExample) {
  Program program("Test.", "scanctl");
  AddAll(program);
  int commands = 0;
  ForEachCommand(program.app, [&](const CLI::App& command) {
    std::istringstream help(command.help());
    for (std::string line; std::getline(help, line);) {
      EXPECT_LE(line.size(), 80) << command.get_name() << ": " << line;
    }
    if (command.get_name() != "scanctl") {
      EXPECT_THAT(command.help(), HasSubstr("Example:\n  scanctl ")) << command.get_name();
    }
    ++commands;
  });
  EXPECT_EQ(commands, 36);
}

}  // namespace
}  // namespace scanserve::client
