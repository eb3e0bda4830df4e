// What the store says of a stored adapter. It keeps the files as they came: what they mean, and the
// digest of that, is the business of core/model.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace scanserve::store {

// One stored version of an adapter.
struct AdapterRecord {
  std::string name;
  int64_t version = 0;       // 1, 2, ..
  std::string digest;        // of its content, 64 hex digits
  std::string model_digest;  // of the model that it was checked against, 64 hex digits
  bool merged = false;       // how it is served
  absl::Time created;

  friend bool operator==(const AdapterRecord&, const AdapterRecord&) = default;
};

// A version as the disk holds it.
struct StoredAdapter {
  enum class State {
    kLive,
    kDeleted,  // only its number is left, so that it is not given again
    kDamaged,  // its files do not agree; kept for the operator, never served
  };
  State state = State::kLive;
  AdapterRecord record;  // name and version alone unless live
  std::string config_sha256;
  std::string tensors_sha256;
  int64_t bytes = 0;  // of its files together
};

// The two files of a PEFT folder.
struct AdapterFileViews {
  absl::string_view config;   // adapter_config.json
  absl::string_view tensors;  // adapter_model.safetensors
};

// "adapter NAME version N", as messages call it.
std::string Described(const AdapterRecord& record);

}  // namespace scanserve::store
