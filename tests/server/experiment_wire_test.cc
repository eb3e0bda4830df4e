// Which arm an experiment gives a request, what it counts of it, and what cannot be asked of it.
#include <gmock/gmock.h>

#include <functional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "core/experiment/murmur3.h"
#include "tests/server/experiment_fixture.h"

namespace scanserve::server {
namespace {

using testing::HasSubstr;

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

TEST_F(ExperimentTest, AnExposureLeavesTheOthersTheActiveSetting) {
  design_.set_exposure(3'000);
  ASSERT_TRUE(Create().ok());
  for (int i = 0; i < 20; ++i) {
    const bool exposed =
        uint64_t{experiment::Murmur3("trial.salt.x:" + UnitName(i), 0)} * 10'000 >> 32 < 3'000;
    EXPECT_EQ(ArmOf(UnitName(i)).empty(), !exposed) << i;
  }
}

}  // namespace
}  // namespace scanserve::server
