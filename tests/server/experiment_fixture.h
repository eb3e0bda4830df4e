// Experiments over the wire, on the embedded model.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/server/test_server.h"

namespace scanserve::server {

std::string UnitName(int i);

// Arms "control" and "swaps", of the order that swaps neighbours, on a store that outlives servers.
class ExperimentTest : public testing::Test {
 protected:
  ExperimentTest();
  ~ExperimentTest() override;

  // Another server on the store.
  void Start();

  v1::ExperimentArm* AddArm(const std::string& name, int64_t weight);

  grpc::Status Create(v1::Experiment* experiment = nullptr);
  v1::GetExperimentResponse Get(const std::string& id = "");
  grpc::Status Stop(const std::string& id);

  v1::InForce InForceOf(const v1::GenerateRequest& request);
  static v1::GenerateRequest RequestOf(const std::string& unit);
  std::string ArmOf(const std::string& unit) { return InForceOf(RequestOf(unit)).arm(); }

  // Of the second arm: nothing waits for its shadow.
  bool AllScored();
  bool AllScoredOrDropped();

  // The mean over the tokens of `answer`, which follows `prompt`, as ComputePerplexity has it.
  double NllOf(const std::vector<int32_t>& prompt, const std::vector<int32_t>& answer,
               const v1::ScanChoice& scan);

  std::string folder_;
  v1::ExperimentDesign design_;
  std::optional<TestServer> server_;
  std::unique_ptr<v1::InferenceService::Stub> inference_;
  std::unique_ptr<v1::ExperimentService::Stub> experiments_;

 private:
  void UploadSwaps();
};

}  // namespace scanserve::server
