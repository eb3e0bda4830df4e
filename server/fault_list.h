// What is wrong with a configuration, all of it, instead of the first thing found.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"

namespace scanserve::server {

class FaultList {
 public:
  // "PLACE VALUE: ACCEPTED", unless it holds.
  void Require(bool holds, absl::string_view place, absl::string_view value,
               absl::string_view accepted) {
    if (!holds) Add(absl::StrCat(place, " ", value, ": ", accepted));
  }
  void Add(std::string fault) { faults_.push_back(std::move(fault)); }
  void Append(const FaultList& other) {
    faults_.insert(faults_.end(), other.faults_.begin(), other.faults_.end());
  }

  const std::vector<std::string>& faults() const { return faults_; }
  // INVALID_ARGUMENT with all of them in one line; OK when there is none.
  absl::Status ToStatus() const {
    if (faults_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrJoin(faults_, "; "));
  }

 private:
  std::vector<std::string> faults_;
};

}  // namespace scanserve::server
