// Restarts, a disk that refuses, the end of an experiment, and of the room for them.
#include <gmock/gmock.h>

#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/experiment_table.h"
#include "tests/server/experiment_fixture.h"

namespace scanserve::server {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

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

TEST_F(ExperimentTest, NoMoreAreKeptThanOneMessageLists) {
  ASSERT_TRUE(Create().ok());
  ASSERT_TRUE(Stop("trial").ok());
  Backend& backend = server_->backend();
  // More layers than this model has: 16 KB in the list.
  store::ExperimentRecord large = backend.experiments().List()[0];
  for (store::ExperimentArm& arm : large.arms) {
    arm.scan.target_layers.resize(4'000);
    std::iota(arm.scan.target_layers.begin(), arm.scan.target_layers.end(), 0);
  }
  grpc::Status status;
  int kept = 1;
  while (status.ok() && kept < 1'000) {
    large.design.id = absl::StrCat("large", kept);
    ASSERT_TRUE(backend.store().experiments().Create(backend.model().digest, large, "").ok());
    design_.set_id(absl::StrCat("trial", ++kept));
    status = Create();
    if (!status.ok()) break;
    ASSERT_TRUE(Stop(design_.id()).ok());
    ++kept;
  }
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(),
              HasSubstr(absl::StrCat("the store holds ", kept, " experiments of the model")));
  EXPECT_THAT(status.error_message(), EndsWith(" bytes in a list, the limit is 1015808"));
  grpc::ClientContext context;
  v1::ListExperimentsResponse list;
  ASSERT_TRUE(experiments_->ListExperiments(&context, {}, &list).ok());
  EXPECT_EQ(list.experiments_size(), kept);
  EXPECT_GT(list.ByteSizeLong(), 1'015'808U);
  EXPECT_LE(list.ByteSizeLong(), size_t{kMaxServerMessageBytes});
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
