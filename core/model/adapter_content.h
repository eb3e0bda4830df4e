// The two files of a PEFT folder, read and checked against a model, before products are made of
// them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/model/mamba_config.h"
#include "core/model/mixer_module.h"
#include "core/model/safetensors.h"

namespace scanserve::model {

struct AdapterConfig;

// Held in memory, never mapped: a client may cut its files short at any time.
struct AdapterFiles {
  static constexpr const char* kConfigName = "adapter_config.json";
  static constexpr const char* kTensorsName = "adapter_model.safetensors";
  static constexpr int64_t kMaxConfigBytes = int64_t{1} << 20;
  static constexpr int64_t kMaxTensorsBytes = int64_t{256} << 20;
  // Of the tensors' file; some 130 bytes name one tensor.
  static constexpr uint64_t kMaxHeaderBytes = uint64_t{4} << 20;

  std::string config;
  std::string tensors;

  // Both files of `folder`. Errors of base::ReadFile.
  static absl::StatusOr<AdapterFiles> Read(const std::string& folder);
};

// Immutable and thread-safe.
class AdapterContent {
 public:
  // Fields and keys that this program does not apply are refused by name, INVALID_ARGUMENT; every
  // tensor's shape is checked against `config`. Messages begin with the file's name.
  static absl::StatusOr<std::unique_ptr<const AdapterContent>> Parse(AdapterFiles files,
                                                                     const MambaConfig& config);
  AdapterContent(const AdapterContent&) = delete;
  AdapterContent& operator=(const AdapterContent&) = delete;

  // What one module gets: scale * b a is added to its weight.
  struct Pair {
    int64_t layer;
    Module module;
    const TensorView* a;  // [rank, in_features] as stored
    const TensorView* b;  // [out_features, rank]
    double scale;
  };
  // By layer and module, at least one.
  const std::vector<Pair>& pairs() const { return pairs_; }

  const AdapterFiles& files() const { return files_; }
  // SHA-256 of the canonical content (docs/digests.md), 64 hex digits.
  const std::string& digest() const { return digest_; }

 private:
  explicit AdapterContent(AdapterFiles files) : files_(std::move(files)) {}

  absl::Status TakeTensors(const AdapterConfig& adapter, const MambaConfig& config);

  const AdapterFiles files_;
  TensorMap tensors_;  // views into files_
  std::vector<Pair> pairs_;
  std::string digest_;
};

}  // namespace scanserve::model
