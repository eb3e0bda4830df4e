// The command line of scanctl compare, and the settings that it stands for.
#pragma once

#include <string>
#include <vector>

#include "client/program.h"
#include "scanserve/v1/inference_service.pb.h"

namespace scanserve::client {

struct ArmFlags {
  std::string order = "identity";
  std::string readout;
  std::vector<int32_t> target_layers;
  // Empty: what the server assigns; "none": the base model.
  std::string adapter;
};

struct CompareFlags {
  ArmFlags a;
  ArmFlags b;
  std::string corpus;
  std::string documents = "blank-line";
  bool replace_invalid = false;
  std::string mode = "continuation";
  int64_t prefix = 256;
  int64_t window = 0;
  int64_t stride = 0;
  double margin = 0.005;
  double alpha = 0.05;
  std::string plan = "hybrid";
  uint64_t seed = 1;
  bool keep_going = false;
  std::string expect;
  std::string report;
};

void AddCompareFlags(CLI::App& app, CompareFlags& flags);

// Of checked flags.
v1::CompareSettings CompareSettingsOf(const CompareFlags& flags);

}  // namespace scanserve::client
