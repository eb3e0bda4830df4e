// Makes the requests of a load test.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "client/scanctl/bench_settings.h"
#include "scanserve/v1/inference_service.pb.h"

namespace scanserve::client {

struct BenchPerplexityRequest {
  v1::PerplexitySettings settings;
  v1::DocumentPart document;
};

struct BenchRequest {
  int64_t index = 0;  // from 0, in the order in which they are sent; warm-up included
  size_t entry = 0;   // of the mix
  std::variant<v1::GenerateRequest, BenchPerplexityRequest, v1::ExtractHiddenStatesRequest> message;
};

// Request i depends on the settings and i alone: a run can be repeated whatever its timing.
// Thread-safe.
class BenchRequests {
 public:
  // Drawn token ids are below `vocabulary_size`, which is at least 1; `prompts` are used in their
  // place when there are any.
  BenchRequests(BenchSettings settings, int32_t vocabulary_size, std::vector<std::string> prompts);

  BenchRequest Make(int64_t index) const;

 private:
  size_t DrawEntry(BenchRandom& random) const;
  v1::Prompt DrawPrompt(const BenchMixEntry& entry, BenchRandom& random) const;

  const BenchSettings settings_;
  const int32_t vocabulary_size_;
  const std::vector<std::string> prompts_;
};

// The lines of the file that are not blank. NOT_FOUND or UNAVAILABLE when it cannot be read,
// INVALID_ARGUMENT when it has no such line or is larger than 64 MiB.
absl::StatusOr<std::vector<std::string>> ReadBenchPrompts(const std::string& path);

}  // namespace scanserve::client
