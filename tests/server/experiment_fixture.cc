#include "tests/server/experiment_fixture.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "core/base/npy.h"

namespace scanserve::server {

std::string UnitName(int i) { return absl::StrCat("user-", i); }

ExperimentTest::ExperimentTest() {
  std::string folder = testing::TempDir() + "scanserve-experiment-XXXXXX";
  folder_ = mkdtemp(folder.data());
  design_.set_id("trial");
  design_.set_salt("salt");
  AddArm("control", 1)->mutable_scan()->mutable_identity();
  AddArm("swaps", 1)->mutable_scan()->mutable_setting()->mutable_order()->set_name("swaps");
  Start();
  UploadSwaps();
}

ExperimentTest::~ExperimentTest() {
  server_.reset();
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
}

void ExperimentTest::Start() {
  server_.reset();
  ServerOptions options = TestServer::Options();
  options.store_folder = folder_ + "/store";
  options.engine.queued_requests = 400;
  options.adapters.folders = {{"kjv", SCANSERVE_SOURCE_DIR "/models/scanserve-6m/adapters/kjv"}};
  server_.emplace(options);
  inference_ = server_->NewInference();
  experiments_ = server_->NewExperiments();
}

void ExperimentTest::UploadSwaps() {
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

v1::ExperimentArm* ExperimentTest::AddArm(const std::string& name, int64_t weight) {
  v1::ExperimentArm* arm = design_.add_arms();
  arm->set_name(name);
  arm->set_weight(weight);
  return arm;
}

grpc::Status ExperimentTest::Create(v1::Experiment* experiment) {
  grpc::ClientContext context;
  v1::CreateExperimentRequest request;
  *request.mutable_design() = design_;
  v1::CreateExperimentResponse response;
  const grpc::Status status = experiments_->CreateExperiment(&context, request, &response);
  if (experiment != nullptr) *experiment = response.experiment();
  return status;
}

v1::GetExperimentResponse ExperimentTest::Get(const std::string& id) {
  grpc::ClientContext context;
  v1::GetExperimentRequest request;
  request.set_id(id);
  v1::GetExperimentResponse response;
  const grpc::Status status = experiments_->GetExperiment(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response;
}

grpc::Status ExperimentTest::Stop(const std::string& id) {
  grpc::ClientContext context;
  v1::StopExperimentRequest request;
  request.set_id(id);
  v1::StopExperimentResponse response;
  return experiments_->StopExperiment(&context, request, &response);
}

v1::InForce ExperimentTest::InForceOf(const v1::GenerateRequest& request) {
  const GenerateResult result = Generate(*inference_, request);
  EXPECT_TRUE(result.status.ok()) << result.status.error_message();
  return result.started.in_force();
}

v1::GenerateRequest ExperimentTest::RequestOf(const std::string& unit) {
  v1::GenerateRequest request = GreedyRequest(3);
  request.set_unit_key(unit);
  return request;
}

bool ExperimentTest::AllScored() {
  const v1::ShadowResults shadow = Get().results().arms(1).shadow();
  return shadow.scored() == shadow.sampled() &&
         shadow.drift_of_control().scored() == shadow.drift_of_control().answers() &&
         shadow.drift_of_arm().scored() == shadow.drift_of_arm().answers();
}

bool ExperimentTest::AllScoredOrDropped() {
  const v1::Drift drift = Get().results().arms(1).shadow().drift_of_control();
  return drift.scored() + drift.dropped_queue_full() == drift.answers();
}

double ExperimentTest::NllOf(const std::vector<int32_t>& prompt, const std::vector<int32_t>& answer,
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

}  // namespace scanserve::server
