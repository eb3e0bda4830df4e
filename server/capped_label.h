// Keeps the values of a label that users make up few.
#pragma once

#include <set>
#include <string>
#include <utility>

#include "core/base/mutex.h"

namespace scanserve::server {

// Thread-safe.
class CappedLabel {
 public:
  static constexpr size_t kMaxValues = 20;
  static constexpr const char* kOther = "other";

  // `ours`: a value that no user made up; it does not count.
  explicit CappedLabel(std::string ours = "") : ours_(std::move(ours)) {}

  // `value` if it is one of the first 20 that were asked for, else "other". Empty stays empty: the
  // label does not apply.
  std::string Value(const std::string& value);

 private:
  const std::string ours_;
  base::Mutex mutex_;
  std::set<std::string> seen_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace scanserve::server
