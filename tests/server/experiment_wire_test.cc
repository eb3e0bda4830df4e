// Experiments over the wire, on the embedded model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/npy.h"
#include "core/experiment/murmur3.h"
#include "server/experiment_table.h"
#include "tests/server/test_server.h"

namespace scanserve::server {
namespace {

using testing::HasSubstr;

std::string UnitName(int i) { return absl::StrCat("user-", i); }

// Arms "control" and "swaps", of the order that swaps neighbours, on a store that outlives servers.
class ExperimentTest : public testing::Test {
 protected:
  ExperimentTest() {
    std::string folder = testing::TempDir() + "scanserve-experiment-XXXXXX";
    folder_ = mkdtemp(folder.data());
    design_.set_id("trial");
    design_.set_salt("salt");
    AddArm("control", 1)->mutable_scan()->mutable_identity();
    AddArm("swaps", 1)->mutable_scan()->mutable_setting()->mutable_order()->set_name("swaps");
    Start();
    UploadSwaps();
  }
  ~ExperimentTest() override {
    server_.reset();
    std::error_code error;
    std::filesystem::remove_all(folder_, error);
  }

  void Start() {
    server_.reset();
    ServerOptions options = TestServer::Options();
    options.store_folder = folder_ + "/store";
    options.engine.queued_requests = 400;
    options.adapters.folders = {{"kjv", SCANSERVE_SOURCE_DIR "/models/scanserve-6m/adapters/kjv"}};
    server_.emplace(options);
    inference_ = server_->NewInference();
    experiments_ = server_->NewExperiments();
  }

  void UploadSwaps() {
    std::vector<int32_t> swaps;
    for (int32_t i = 0; i < 64; ++i) swaps.push_back(i ^ 1);
    const auto orders = server_->NewScanOrders();
    grpc::ClientContext context;
    v1::UploadScanOrderResponse response;
    const auto writer = orders->UploadScanOrder(&context, &response);
    v1::UploadScanOrderRequest request;
    request.mutable_header()->set_name("swaps");
    writer->Write(request);
    request.set_npy_chunk(base::FormatNpyIntegers(swaps));
    writer->Write(request);
    writer->WritesDone();
    ASSERT_TRUE(writer->Finish().ok());
  }

  v1::ExperimentArm* AddArm(const std::string& name, int64_t weight) {
    v1::ExperimentArm* arm = design_.add_arms();
    arm->set_name(name);
    arm->set_weight(weight);
    return arm;
  }

  grpc::Status Create(v1::Experiment* experiment = nullptr) {
    grpc::ClientContext context;
    v1::CreateExperimentRequest request;
    *request.mutable_design() = design_;
    v1::CreateExperimentResponse response;
    const grpc::Status status = experiments_->CreateExperiment(&context, request, &response);
    if (experiment != nullptr) *experiment = response.experiment();
    return status;
  }

  v1::GetExperimentResponse Get(const std::string& id = "") {
    grpc::ClientContext context;
    v1::GetExperimentRequest request;
    request.set_id(id);
    v1::GetExperimentResponse response;
    const grpc::Status status = experiments_->GetExperiment(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  grpc::Status Stop(const std::string& id) {
    grpc::ClientContext context;
    v1::StopExperimentRequest request;
    request.set_id(id);
    v1::StopExperimentResponse response;
    return experiments_->StopExperiment(&context, request, &response);
  }

  v1::InForce InForceOf(const v1::GenerateRequest& request) {
    const GenerateResult result = Generate(*inference_, request);
    EXPECT_TRUE(result.status.ok()) << result.status.error_message();
    return result.started.in_force();
  }
  v1::GenerateRequest RequestOf(const std::string& unit) {
    v1::GenerateRequest request = GreedyRequest(3);
    request.set_unit_key(unit);
    return request;
  }
  std::string ArmOf(const std::string& unit) { return InForceOf(RequestOf(unit)).arm(); }

  // Of the second arm: nothing waits for its shadow.
  bool AllScored() {
    const v1::ShadowResults shadow = Get().results().arms(1).shadow();
    return shadow.scored() == shadow.sampled() &&
           shadow.drift_of_control().scored() == shadow.drift_of_control().answers() &&
           shadow.drift_of_arm().scored() == shadow.drift_of_arm().answers();
  }

  bool AllScoredOrDropped() {
    const v1::Drift drift = Get().results().arms(1).shadow().drift_of_control();
    return drift.scored() + drift.dropped_queue_full() == drift.answers();
  }

  // The mean over the tokens of `answer`, which follows `prompt`, as ComputePerplexity has it.
  double NllOf(const std::vector<int32_t>& prompt, const std::vector<int32_t>& answer,
               const v1::ScanChoice& scan) {
    grpc::ClientContext context;
    const auto stream = inference_->ComputePerplexity(&context);
    v1::ComputePerplexityRequest request;
    v1::PerplexitySettings& settings = *request.mutable_settings();
    settings.set_mode(v1::PERPLEXITY_MODE_CONTINUATION);
    settings.set_prefix_tokens(static_cast<int64_t>(prompt.size()));
    *settings.mutable_scan() = scan;
    stream->Write(request);
    v1::TokenIds& ids = *request.mutable_document()->mutable_content()->mutable_token_ids();
    ids.mutable_ids()->Assign(prompt.begin(), prompt.end());
    for (const int32_t token : answer) ids.add_ids(token);
    stream->Write(request);
    stream->WritesDone();
    v1::ComputePerplexityResponse response;
    double nll = 0;
    while (stream->Read(&response)) {
      if (response.has_totals()) nll = response.totals().scores().all().nll();
    }
    EXPECT_TRUE(stream->Finish().ok());
    return nll / static_cast<double>(answer.size());
  }

  std::string folder_;
  v1::ExperimentDesign design_;
  std::optional<TestServer> server_;
  std::unique_ptr<v1::InferenceService::Stub> inference_;
  std::unique_ptr<v1::ExperimentService::Stub> experiments_;
};

TEST_F(ExperimentTest, AnswersAreThoseOfTheArmThatAClientCanPredict) {
  ASSERT_TRUE(Create().ok());
  int in_swaps = 0;
  for (int i = 0; i < 20; ++i) {
    const v1::InForce in_force = InForceOf(RequestOf(UnitName(i)));
    const bool swaps = uint64_t{experiment::Murmur3("trial.salt:" + UnitName(i), 0)} * 2 >> 32 == 1;
    EXPECT_EQ(in_force.arm(), swaps ? "swaps" : "control");
    EXPECT_EQ(in_force.scan().order().name(), swaps ? "swaps" : "identity");
    EXPECT_EQ(in_force.experiment(), "trial");
    EXPECT_FALSE(in_force.unsticky());
    in_swaps += swaps;
  }
  EXPECT_GT(in_swaps, 0);
  EXPECT_LT(in_swaps, 20);
}

TEST_F(ExperimentTest, WithoutAUnitTheRequestsIdDecidesAndTheAnswerSaysSo) {
  ASSERT_TRUE(Create().ok());
  v1::GenerateRequest request = GreedyRequest(1);
  request.set_request_id(UnitName(3));
  const v1::InForce in_force = InForceOf(request);
  EXPECT_TRUE(in_force.unsticky());
  EXPECT_EQ(in_force.arm(), ArmOf(UnitName(3)));
}

TEST_F(ExperimentTest, WhoNamesASettingOrAnAdapterTakesNoPart) {
  ASSERT_TRUE(Create().ok());
  const std::vector<std::function<void(v1::GenerateRequest&)>> choices = {
      [](v1::GenerateRequest& r) { r.mutable_scan()->mutable_active(); },
      [](v1::GenerateRequest& r) { r.mutable_scan()->mutable_identity(); },
      [](v1::GenerateRequest& r) { r.mutable_adapter()->mutable_base(); },
      [](v1::GenerateRequest& r) { r.mutable_adapter()->mutable_ref()->set_name("kjv"); }};
  for (const auto& choose : choices) {
    v1::GenerateRequest request = RequestOf("ann");
    choose(request);
    const v1::InForce in_force = InForceOf(request);
    EXPECT_EQ(in_force.arm(), "");
    EXPECT_EQ(in_force.experiment(), "");
    EXPECT_EQ(in_force.scan().order().name(), "identity");
  }
  EXPECT_EQ(Get().results().arms(0).requests() + Get().results().arms(1).requests(), 0);
}

TEST_F(ExperimentTest, OtherCallsTakePartWhenTheySayAssigned) {
  ASSERT_TRUE(Create().ok());
  for (const bool says_so : {false, true}) {
    grpc::ClientContext context;
    const auto stream = inference_->ComputePerplexity(&context);
    v1::ComputePerplexityRequest request;
    request.mutable_settings()->set_unit_key("ann");
    if (says_so) {
      request.mutable_settings()->mutable_scan()->mutable_assigned();
      request.mutable_settings()->mutable_adapter()->mutable_assigned();
    }
    stream->Write(request);
    stream->WritesDone();
    v1::ComputePerplexityResponse response;
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.started().in_force().arm(), says_so ? ArmOf("ann") : "");
    while (stream->Read(&response)) {
    }
    EXPECT_TRUE(stream->Finish().ok());
  }
}

TEST_F(ExperimentTest, ArmsPinWhatIsActiveWhenTheyNameNothing) {
  design_.mutable_arms(0)->clear_scan();
  v1::Experiment experiment;
  ASSERT_TRUE(Create(&experiment).ok());
  EXPECT_EQ(experiment.design().arms(0).scan().setting().order().name(), "identity");
  EXPECT_TRUE(experiment.design().arms(0).adapter().has_base());
  EXPECT_EQ(experiment.design().arms(1).scan().setting().order().digest().size(), 64u);
  EXPECT_EQ(experiment.design().alpha(), .05);
  EXPECT_EQ(experiment.design().exposure(), 10'000);
  EXPECT_EQ(experiment.assignment(), "murmur3-v2");
  EXPECT_FALSE(experiment.has_stop());
}

TEST_F(ExperimentTest, OneRunsAtATimeAndAnIdIsUsedOnce) {
  ASSERT_TRUE(Create().ok());
  design_.set_id("second");
  EXPECT_EQ(Create().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  ASSERT_TRUE(Stop("trial").ok());
  EXPECT_TRUE(Create().ok());
  ASSERT_TRUE(Stop("second").ok());
  EXPECT_EQ(Create().error_code(), grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(ExperimentTest, WhatCannotBeIsRefusedByName) {
  EXPECT_EQ(Stop("none").error_code(), grpc::StatusCode::NOT_FOUND);
  design_.mutable_arms(1)->mutable_scan()->mutable_setting()->mutable_order()->set_name("gone");
  grpc::Status status = Create();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("arm swaps"));
  design_.mutable_arms(1)->set_weight(-1);
  status = Create();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("arms[1].weight: -1"));
  design_.mutable_arms(1)->set_weight(1);
  design_.add_guardrails()->set_margin(1);
  EXPECT_EQ(Create().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ExperimentTest, WhatRunsInAnExperimentCannotBeDeleted) {
  design_.mutable_arms(1)->mutable_adapter()->mutable_ref()->set_name("copy");
  const auto adapters = server_->NewAdapters();
  {
    const auto files =
        model::AdapterFiles::Read(SCANSERVE_SOURCE_DIR "/models/scanserve-6m/adapters/kjv");
    grpc::ClientContext context;
    v1::UploadAdapterResponse response;
    const auto writer = adapters->UploadAdapter(&context, &response);
    v1::UploadAdapterRequest request;
    request.mutable_header()->set_name("copy");
    writer->Write(request);
    request.set_config_chunk(files->config);
    writer->Write(request);
    for (size_t begin = 0; begin < files->tensors.size(); begin += 1 << 20) {
      request.set_tensors_chunk(files->tensors.substr(begin, 1 << 20));
      writer->Write(request);
    }
    writer->WritesDone();
    ASSERT_TRUE(writer->Finish().ok());
  }
  ASSERT_TRUE(Create().ok());
  const auto orders = server_->NewScanOrders();
  const auto delete_both = [&] {
    grpc::ClientContext one;
    v1::DeleteScanOrderRequest order;
    order.mutable_order()->set_name("swaps");
    v1::DeleteScanOrderResponse deleted;
    grpc::ClientContext two;
    v1::UnloadAdapterRequest adapter;
    adapter.mutable_adapter()->set_name("copy");
    v1::UnloadAdapterResponse unloaded;
    return std::pair(orders->DeleteScanOrder(&one, order, &deleted),
                     adapters->UnloadAdapter(&two, adapter, &unloaded));
  };
  auto [order, adapter] = delete_both();
  EXPECT_EQ(order.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(adapter.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(adapter.error_message(), HasSubstr("experiment trial"));
  EXPECT_THAT(order.error_message(), HasSubstr("experiment trial"));
  ASSERT_TRUE(Stop("trial").ok());
  std::tie(order, adapter) = delete_both();
  EXPECT_TRUE(order.ok()) << order.error_message();
  EXPECT_TRUE(adapter.ok()) << adapter.error_message();
}

TEST_F(ExperimentTest, CountsUnitsRequestsTokensAndErrors) {
  ASSERT_TRUE(Create().ok());
  const std::string arm = ArmOf("ann");
  ArmOf("ann");
  {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Milliseconds(300)));
    server_->gate().Close();
    v1::GenerateRequest request = RequestOf("ann");
    const auto reader = inference_->Generate(&context, request);
    v1::GenerateResponse response;
    while (reader->Read(&response)) {
    }
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
    server_->gate().Open();
  }
  // The engine notices at its next step.
  while (Get().results().arms(arm == "swaps").requests() < 3) {
  }
  const v1::ArmResults results = Get().results().arms(arm == "swaps");
  EXPECT_EQ(results.units(), 1);
  EXPECT_EQ(results.requests(), 3);
  EXPECT_EQ(results.errors() + results.cancelled(), 1);
  EXPECT_EQ(results.unsticky(), 0);
  EXPECT_EQ(results.generated_tokens(), 6);
  EXPECT_GT(results.prompt_tokens(), 0);
  ASSERT_EQ(results.metrics_size(), 4);
  for (int i = 0; i < 3; ++i) EXPECT_GT(results.metrics(i).mean(), 0);
  EXPECT_GE(results.metrics(0).mean(), results.metrics(1).mean() / 1e3);
}

TEST_F(ExperimentTest, SurvivesARestartToTheBit) {
  design_.mutable_arms(1)->set_shadow(10'000);
  ASSERT_TRUE(Create().ok());
  std::vector<std::string> arms;
  for (int i = 0; i < 12; ++i) arms.push_back(ArmOf(UnitName(i)));
  while (!AllScored()) {
  }
  const v1::GetExperimentResponse before = Get();
  EXPECT_EQ(before.results().arms(1).shadow().estimate().observations(), 12);
  EXPECT_EQ(before.results().arms(1).shadow().drift_of_control().units(),
            before.results().arms(0).units());
  EXPECT_EQ(before.results().arms(1).shadow().drift_of_arm().units(),
            before.results().arms(1).units());
  Start();
  EXPECT_EQ(Get().SerializeAsString(), before.SerializeAsString());
  for (int i = 0; i < 12; ++i) EXPECT_EQ(ArmOf(UnitName(i)), arms[static_cast<size_t>(i)]);
  EXPECT_EQ(Get().results().arms(0).units(), before.results().arms(0).units());
  EXPECT_EQ(Get().results().arms(0).requests(), 2 * before.results().arms(0).requests());
}

TEST_F(ExperimentTest, WhatTheDiskRefusedIsSavedTheNextTime) {
  ASSERT_TRUE(Create().ok());
  const std::filesystem::path experiments = folder_ + "/store/experiments";
  const std::filesystem::path statistics =
      std::filesystem::directory_iterator(experiments)->path() / "trial.stats";
  ArmOf("ann");
  // Nothing can take its place.
  std::filesystem::remove(statistics);
  std::filesystem::create_directories(statistics / "full");
  server_->backend().experiments().Save();
  std::filesystem::remove_all(statistics);
  server_->backend().experiments().Save();
  EXPECT_TRUE(std::filesystem::is_regular_file(statistics));
  Start();
  EXPECT_EQ(Get().results().arms(0).units() + Get().results().arms(1).units(), 1);
}

TEST_F(ExperimentTest, OnceStoppedRequestsGetTheActiveSettingAndResultsStay) {
  ASSERT_TRUE(Create().ok());
  ArmOf("ann");
  ASSERT_TRUE(Stop("trial").ok());
  EXPECT_EQ(ArmOf("ann"), "");
  Start();
  EXPECT_EQ(ArmOf("ann"), "");
  const v1::GetExperimentResponse response = Get("trial");
  EXPECT_EQ(response.experiment().stop().reason(), v1::STOP_REASON_REQUEST);
  EXPECT_EQ(response.experiment().stop().observations(), 1);
  EXPECT_EQ(response.results().arms(0).units() + response.results().arms(1).units(), 1);
  EXPECT_TRUE(Stop("trial").ok());
}

TEST_F(ExperimentTest, ARuleEndsItForTheNextRequest) {
  design_.mutable_stop()->set_max_units(3);
  ASSERT_TRUE(Create().ok());
  for (int i = 0; i < 3; ++i) EXPECT_NE(ArmOf(UnitName(i)), "");
  EXPECT_EQ(ArmOf("ann"), "");
  EXPECT_EQ(Get().experiment().stop().reason(), v1::STOP_REASON_MAX_UNITS);
  Start();
  EXPECT_EQ(Get("trial").experiment().stop().reason(), v1::STOP_REASON_MAX_UNITS);
}

TEST_F(ExperimentTest, TimeEndsItWhenItIsLookedAt) {
  design_.mutable_stop()->mutable_max_time()->set_nanos(1);
  ASSERT_TRUE(Create().ok());
  server_->backend().experiments().Save();
  EXPECT_EQ(Get("trial").experiment().stop().reason(), v1::STOP_REASON_MAX_TIME);
}

TEST_F(ExperimentTest, AnExposureLeavesTheOthersTheActiveSetting) {
  design_.set_exposure(3'000);
  ASSERT_TRUE(Create().ok());
  for (int i = 0; i < 20; ++i) {
    const bool exposed =
        uint64_t{experiment::Murmur3("trial.salt.x:" + UnitName(i), 0)} * 10'000 >> 32 < 3'000;
    EXPECT_EQ(ArmOf(UnitName(i)).empty(), !exposed) << i;
  }
}

// An arm that serves nobody, whose prompts are scored in the background.
TEST_F(ExperimentTest, AShadowChangesNoAnswerAndComparesWhatCompareWould) {
  design_.mutable_arms(1)->set_weight(0);
  v1::GenerateRequest request = GreedyRequest(8);
  request.mutable_prompt()->set_text("And God said, Let there be light: and there was light.");
  request.set_unit_key("ann");
  const GenerateResult alone = Generate(*inference_, request);
  design_.mutable_arms(1)->set_shadow(10'000);
  ASSERT_TRUE(Create().ok());
  const GenerateResult shadowed = Generate(*inference_, request);
  EXPECT_EQ(shadowed.started.in_force().arm(), "control");
  EXPECT_EQ(shadowed.token_ids, alone.token_ids);
  while (Get().results().arms(1).shadow().scored() == 0) {
  }
  const v1::ShadowResults shadow = Get().results().arms(1).shadow();
  EXPECT_EQ(shadow.eligible(), 1);
  EXPECT_EQ(shadow.sampled(), 1);
  EXPECT_EQ(shadow.no_verdict_reason(), "");

  grpc::ClientContext context;
  const auto stream = inference_->Compare(&context);
  v1::CompareRequest message;
  v1::CompareSettings& settings = *message.mutable_settings();
  settings.set_prefix_tokens(shadowed.started.prompt_tokens() / 2);
  settings.mutable_a()->mutable_scan()->mutable_identity();
  settings.mutable_b()->mutable_scan()->mutable_setting()->mutable_order()->set_name("swaps");
  stream->Write(message);
  message.mutable_document()->mutable_content()->set_text(request.prompt().text());
  stream->Write(message);
  stream->WritesDone();
  v1::CompareResponse response;
  double difference = 0;
  int64_t tokens = 0;
  while (stream->Read(&response)) {
    if (!response.has_totals()) continue;
    difference = response.totals().estimate().difference();
    tokens = response.totals().estimate().tokens();
  }
  ASSERT_TRUE(stream->Finish().ok());
  EXPECT_EQ(shadow.estimate().difference(), difference);
  EXPECT_EQ(shadow.estimate().tokens(), tokens);
  EXPECT_NE(difference, 0);
}

// A third arm has no part in the pair.
TEST_F(ExperimentTest, DriftIsWhatPerplexityUnderBothArmsSaysOfTheAnswers) {
  design_.mutable_arms(1)->set_shadow(10'000);
  AddArm("other", 1)->mutable_scan()->mutable_identity();
  ASSERT_TRUE(Create().ok());
  v1::GenerateRequest request = GreedyRequest(12);
  const std::vector<int32_t> prompt = {70, 71, 72, 300, 301, 74, 75, 302};
  request.mutable_prompt()->mutable_token_ids()->mutable_ids()->Assign(prompt.begin(),
                                                                       prompt.end());
  std::map<std::string, std::vector<int32_t>> answers;
  std::map<std::string, int> requests;
  for (int i = 0; i < 15; ++i) {
    request.set_unit_key(UnitName(i));
    const GenerateResult result = Generate(*inference_, request);
    answers[result.started.in_force().arm()] = result.token_ids;
    ++requests[result.started.in_force().arm()];
  }
  ASSERT_EQ(requests.size(), 3u);
  while (!AllScored()) {
  }
  const v1::ShadowResults shadow = Get().results().arms(1).shadow();
  EXPECT_EQ(shadow.scored(), 15);
  const auto expect_drift = [&](const v1::Drift& drift, const std::string& writer, int wrote) {
    EXPECT_EQ(drift.answers(), requests[writer]);
    EXPECT_EQ(drift.units(), requests[writer]);
    EXPECT_EQ(drift.tokens(), 12 * requests[writer]);
    const double expected = NllOf(prompt, answers[writer], design_.arms(1 - wrote).scan()) -
                            NllOf(prompt, answers[writer], design_.arms(wrote).scan());
    EXPECT_NEAR(drift.nats_per_token(), expected, 1e-9) << writer;
    EXPECT_GT(expected, 0);
    EXPECT_GT(drift.other_choices(), 0);
    EXPECT_LE(drift.other_choices(), 1);
    // Too few units.
    EXPECT_FALSE(drift.has_low());
  };
  expect_drift(shadow.drift_of_control(), "control", 0);
  expect_drift(shadow.drift_of_arm(), "swaps", 1);
}

TEST_F(ExperimentTest, DriftIsOfTheFirstAnswerOfRequestsThatEndWell) {
  design_.mutable_arms(1)->set_weight(0);
  design_.mutable_arms(1)->set_shadow(10'000);
  ASSERT_TRUE(Create().ok());
  v1::GenerateRequest request = RequestOf("ann");
  request.mutable_sampling()->set_n(3);
  ASSERT_TRUE(Generate(*inference_, request).status.ok());
  request.mutable_sampling()->set_n(1);
  // Nothing is written, only read.
  request.set_prompt_logprobs(true);
  request.mutable_sampling()->set_max_new_tokens(0);
  ASSERT_TRUE(Generate(*inference_, request).status.ok());
  {
    grpc::ClientContext context;
    request.set_prompt_logprobs(false);
    request.mutable_sampling()->set_max_new_tokens(1'000);
    const auto reader = inference_->Generate(&context, request);
    v1::GenerateResponse response;
    while (reader->Read(&response) && !response.has_delta()) {
    }
    context.TryCancel();
    while (reader->Read(&response)) {
    }
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  while (Get().results().arms(0).requests() < 3 || !AllScored()) {
  }
  EXPECT_EQ(Get().results().arms(0).cancelled(), 1);
  const v1::Drift drift = Get().results().arms(1).shadow().drift_of_control();
  EXPECT_EQ(drift.answers(), 1);
  EXPECT_EQ(drift.tokens(), 3);
}

// Of prompts too short to be scored, by an arm whose answers differ: rules that would stop at once
// if the drift were a difference of prompts.
TEST_F(ExperimentTest, NoVerdictComesOfAnswers) {
  v1::ExperimentArm& other = *design_.mutable_arms(1);
  other.set_weight(0);
  other.set_shadow(10'000);
  other.mutable_scan()->mutable_identity();
  other.mutable_adapter()->mutable_ref()->set_name("kjv");
  design_.mutable_stop()->set_verdict(true);
  v1::Guardrail& guardrail = *design_.add_guardrails();
  guardrail.set_metric(v1::EXPERIMENT_METRIC_PERPLEXITY);
  ASSERT_TRUE(Create().ok());
  v1::GenerateRequest request = GreedyRequest(2);
  for (int i = 0; i < 110; ++i) {
    request.mutable_prompt()->mutable_token_ids()->clear_ids();
    request.mutable_prompt()->mutable_token_ids()->add_ids(300 + i);
    request.set_unit_key(UnitName(i));
    ASSERT_TRUE(Generate(*inference_, request).status.ok());
  }
  while (Get().results().arms(1).shadow().drift_of_control().scored() < 110) {
  }
  const v1::GetExperimentResponse response = Get();
  EXPECT_FALSE(response.experiment().has_stop());
  const v1::ShadowResults shadow = response.results().arms(1).shadow();
  EXPECT_GT(shadow.drift_of_control().low(), 0);
  EXPECT_EQ(shadow.dropped_unscorable(), 110);
  EXPECT_EQ(shadow.estimate().observations(), 0);
  EXPECT_EQ(shadow.estimate().verdict(), v1::COMPARE_VERDICT_UNDECIDED);
  EXPECT_FALSE(shadow.has_first_verdict());
  EXPECT_EQ(shadow.no_verdict_reason(), "");
}

TEST_F(ExperimentTest, DriftFromAnArmThatServesTheSameIsZero) {
  *design_.mutable_arms(1)->mutable_scan() = design_.arms(0).scan();
  design_.mutable_arms(1)->set_shadow(10'000);
  ASSERT_TRUE(Create().ok());
  for (int i = 0; i < 12; ++i) ArmOf(UnitName(i));
  while (!AllScored()) {
  }
  const v1::ShadowResults shadow = Get().results().arms(1).shadow();
  for (const v1::Drift& drift : {shadow.drift_of_control(), shadow.drift_of_arm()}) {
    EXPECT_GT(drift.scored(), 0);
    EXPECT_EQ(drift.nats_per_token(), 0);
    EXPECT_EQ(drift.other_choices(), 0);
    EXPECT_FALSE(drift.has_low());
  }
}

// The control alone has read the prompt for somebody.
TEST_F(ExperimentTest, ShadowsLeaveNothingInTheCache) {
  design_.mutable_arms(1)->set_weight(0);
  design_.mutable_arms(1)->set_shadow(10'000);
  ASSERT_TRUE(Create().ok());
  v1::GenerateRequest request = RequestOf("ann");
  for (int i = 0; i < 64; ++i) {
    request.mutable_prompt()->mutable_token_ids()->add_ids(300 + i % 7);
  }
  ASSERT_TRUE(Generate(*inference_, request).status.ok());
  while (!AllScored()) {
  }
  EXPECT_EQ(Get().results().arms(1).shadow().drift_of_control().scored(), 1);
  *request.mutable_scan() = design_.arms(1).scan();
  EXPECT_EQ(Generate(*inference_, request).started.cached_tokens(), 0);
  EXPECT_GT(Generate(*inference_, request).started.cached_tokens(), 0);
}

// The engine stands still with a request in it, so that shadows wait.
TEST_F(ExperimentTest, ShadowsWaitForRequestsAndAreDroppedFirst) {
  design_.mutable_arms(1)->set_weight(0);
  design_.mutable_arms(1)->set_shadow(10'000);
  ASSERT_TRUE(Create().ok());
  server_->gate().Close();
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::GenerateResponse>>> readers;
  for (int i = 0; i < 260; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(inference_->Generate(contexts.back().get(), RequestOf(UnitName(i))));
  }
  const auto shadow = [this] { return Get().results().arms(1).shadow(); };
  while (shadow().eligible() < 257) {
  }
  EXPECT_EQ(shadow().scored(), 0);
  EXPECT_GE(shadow().dropped_queue_full(), 1);
  server_->gate().Open();
  int answered = 0;
  for (auto& reader : readers) {
    v1::GenerateResponse response;
    while (reader->Read(&response)) {
    }
    answered += reader->Finish().ok();
  }
  EXPECT_EQ(answered, 260);
  bool took_turns = false;
  for (int64_t waiting = 260; waiting > 0;) {
    const v1::ShadowResults now = shadow();
    waiting = 260 - now.scored() - now.dropped_queue_full();
    const bool any_answer = now.drift_of_control().scored() > 0;
    // While half of the queue and more is full, prompts go first.
    EXPECT_FALSE(any_answer && waiting > 129) << waiting;
    took_turns = took_turns || (any_answer && waiting > 0);
  }
  EXPECT_TRUE(took_turns);
  while (!AllScoredOrDropped()) {
  }
  EXPECT_EQ(shadow().dropped_failed(), 0);
  EXPECT_EQ(shadow().drift_of_control().answers(), 260);
  EXPECT_GE(shadow().drift_of_control().scored(), 250);
  EXPECT_EQ(shadow().drift_of_control().dropped_failed(), 0);
}

TEST_F(ExperimentTest, LostArmsEndTheExperimentAtTheStart) {
  design_.mutable_arms(1)->mutable_adapter()->mutable_ref()->set_name("kjv");
  ASSERT_TRUE(Create().ok());
  server_.reset();
  ServerOptions options = TestServer::Options();
  options.store_folder = folder_ + "/store";
  server_.emplace(options);
  inference_ = server_->NewInference();
  experiments_ = server_->NewExperiments();
  EXPECT_EQ(ArmOf("ann"), "");
  EXPECT_EQ(Get("trial").experiment().stop().reason(), v1::STOP_REASON_ARM_LOST);
}

}  // namespace
}  // namespace scanserve::server
