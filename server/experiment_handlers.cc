#include "server/experiment_handlers.h"

#include <random>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "core/base/status_macros.h"
#include "server/convert_experiment.h"
#include "server/experiment_table.h"
#include "server/request_setting.h"

namespace scanserve::server {
namespace {

std::string RandomSalt() {
  std::random_device device;
  return absl::StrFormat("%08x%08x", device(), device());
}

// What is not said is what requests get outside experiments now.
absl::StatusOr<std::vector<PinnedArm>> PinArms(const Backend& backend,
                                               const v1::ExperimentDesign& design) {
  std::vector<PinnedArm> arms;
  for (const v1::ExperimentArm& arm : design.arms()) {
    auto setting = ChooseSetting(backend, arm.scan(), arm.adapter());
    if (!setting.ok()) {
      return absl::Status(setting.status().code(), absl::StrCat("arm ", arm.name().substr(0, 64),
                                                                ": ", setting.status().message()));
    }
    arms.push_back({std::move(setting->scan), std::move(setting->adapter)});
  }
  return arms;
}

void ListTo(const Backend& backend, v1::ListExperimentsResponse& response) {
  for (const store::ExperimentRecord& record : backend.experiments().List()) {
    *response.add_experiments() = ExperimentToProto(record);
  }
}

// Of one experiment: ten arms, each with as many target layers as a model may have.
constexpr size_t kMostExperimentBytes = size_t{32} << 10;

// They are listed in one message, and none is ever deleted.
absl::Status CheckRoomInList(const Backend& backend) {
  constexpr size_t kMost = kMaxServerMessageBytes - kMostExperimentBytes;
  v1::ListExperimentsResponse list;
  ListTo(backend, list);
  const size_t bytes = list.ByteSizeLong();
  if (bytes <= kMost) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the store holds ", list.experiments_size(), " experiments of the model, whose ",
                   "designs have ", bytes, " bytes in a list, the limit is ", kMost));
}

}  // namespace

absl::Status CreateExperiment(Backend& backend, const v1::CreateExperimentRequest& request,
                              ChangeReport& report, v1::CreateExperimentResponse* response) {
  SCANSERVE_ASSIGN_OR_RETURN(experiment::Design design, DesignFromProto(request.design()));
  if (design.salt.empty()) design.salt = RandomSalt();
  // Before names from it stand in messages.
  SCANSERVE_RETURN_IF_ERROR(experiment::Validate(design));
  SCANSERVE_RETURN_IF_ERROR(CheckRoomInList(backend));
  SCANSERVE_ASSIGN_OR_RETURN(std::vector<PinnedArm> arms, PinArms(backend, request.design()));
  SCANSERVE_ASSIGN_OR_RETURN(const auto record,
                             backend.experiments().Start(std::move(design), std::move(arms)));
  report.asked.revision = backend.store().revision();
  report.asked.detail = absl::StrCat("arms=", record.arms.size());
  *response->mutable_experiment() = ExperimentToProto(record);
  return absl::OkStatus();
}

absl::Status GetExperiment(Backend& backend, const v1::GetExperimentRequest& request,
                           v1::GetExperimentResponse* response) {
  SCANSERVE_ASSIGN_OR_RETURN(
      const ExperimentReading reading,
      backend.experiments().Read(request.id(), absl::Now(), ExperimentResultsToProto));
  *response->mutable_experiment() = ExperimentToProto(reading.record);
  *response->mutable_results() = *reading.results;
  return absl::OkStatus();
}

absl::Status ListExperiments(Backend& backend, v1::ListExperimentsResponse* response) {
  // One that a rule has ended is listed so.
  backend.experiments().Save();
  ListTo(backend, *response);
  return absl::OkStatus();
}

absl::Status StopExperiment(Backend& backend, const v1::StopExperimentRequest& request,
                            ChangeReport& report, v1::StopExperimentResponse* response) {
  SCANSERVE_ASSIGN_OR_RETURN(const auto record, backend.experiments().Stop(request.id()));
  report.asked.revision = backend.store().revision();
  *response->mutable_experiment() = ExperimentToProto(record);
  return absl::OkStatus();
}

}  // namespace scanserve::server
