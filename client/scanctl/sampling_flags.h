// The flags of v1.SamplingParameters. What is not given stays unset: the server's defaults hold.
#pragma once

#include <string>
#include <vector>

#include "client/program.h"
#include "scanserve/v1/inference_service.pb.h"

namespace scanserve::client {

struct SamplingFlags {
  v1::SamplingParameters parameters;
  // "ID=VALUE" each.
  std::vector<std::string> logit_biases;
  std::vector<std::string> stop_strings;
  std::vector<int32_t> stop_token_ids;
  std::vector<int32_t> suppressed;
  bool suppress_nothing = false;
};

// `flags` must live as long as parsing.
void AddSamplingFlags(CLI::App& app, SamplingFlags& flags);

// After parsing.
v1::SamplingParameters SamplingOf(const SamplingFlags& flags);

}  // namespace scanserve::client
