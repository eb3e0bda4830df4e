// The adapters that requests can name, and the one that they get when they name none.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/model/adapter.h"
#include "core/model/language_model.h"

namespace scanserve::server {

using AdapterPtr = std::shared_ptr<const model::Adapter>;

// Immutable and thread-safe.
class AdapterTable {
 public:
  // `folders`: name and PEFT folder of each; `default_name` is among them or empty. Errors of
  // Adapter::Load, naming the adapter. Logs each adapter's coverage.
  static absl::StatusOr<AdapterTable> Load(
      const std::vector<std::pair<std::string, std::string>>& folders,
      const std::string& default_name, const model::LanguageModel& model,
      const ops::LinearFactory& make_linear);

  // NOT_FOUND for a name, version (only 1 exists) or digest that is not here; INVALID_ARGUMENT when
  // both name and digest are empty; FAILED_PRECONDITION when they disagree. `version` 0 is the
  // newest.
  absl::StatusOr<AdapterPtr> Find(const std::string& name, int64_t version,
                                  const std::string& digest) const;
  // Null is the base model.
  const AdapterPtr& default_adapter() const { return default_; }
  // By name.
  const std::map<std::string, AdapterPtr>& all() const { return adapters_; }

 private:
  std::map<std::string, AdapterPtr> adapters_;
  AdapterPtr default_;
};

}  // namespace scanserve::server
