// A bound on how many calls of a kind are open at once.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace scanserve::server {

// Thread-safe.
class OpenLimit {
  struct Leave {
    void operator()(OpenLimit* limit) const { --limit->open_; }
  };

 public:
  // A place that is taken, until it is destroyed; not after its limit.
  using Place = std::unique_ptr<OpenLimit, Leave>;

  // `what` names the kind in the plural.
  OpenLimit(int32_t most, std::string what);

  // RESOURCE_EXHAUSTED, with a retry delay, when all places are taken.
  absl::StatusOr<Place> Enter();
  // Those that are refused at this moment included.
  int32_t open() const { return open_; }

 private:
  const int32_t most_;
  const std::string what_;
  std::atomic<int32_t> open_{0};
};

}  // namespace scanserve::server
