// The flags of scanctl experiments create.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/program.h"
#include "scanserve/v1/experiment_service.pb.h"

namespace scanserve::client {

struct ExperimentFlags {
  std::string id;
  std::vector<std::string> arms;
  double exposure = 100;
  std::string salt;
  double margin = 0.005;
  double alpha = 0.05;
  std::vector<std::string> guardrails;
  std::vector<std::string> stop_on;
  int64_t max_units = 100'000;
  std::string max_time;
};

void AddExperimentFlags(CLI::App& app, ExperimentFlags& flags);

// What checked flags ask for. The first arm is the control.
v1::ExperimentDesign DesignOf(const ExperimentFlags& flags);

// "NAME:WEIGHT[,order=O][,adapter=A][,readout=R][,layers=I+J][,shadow=PERCENT]": what is not named
// is what requests get now. INVALID_ARGUMENT says which part was meant.
absl::StatusOr<v1::ExperimentArm> ParseArm(absl::string_view text);
// "METRIC=MARGIN".
absl::StatusOr<v1::Guardrail> ParseGuardrail(absl::string_view text);

}  // namespace scanserve::client
