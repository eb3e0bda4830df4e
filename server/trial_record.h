// What one generation adds to the experiment that it takes part in.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "core/runtime/request.h"
#include "server/backend.h"
#include "server/call.h"
#include "server/running_experiment.h"
#include "server/shadow_queue.h"

namespace scanserve::server {

// Does nothing until it has begun. Not thread-safe.
class TrialRecord {
 public:
  // The request was given to the engine, which took it or, by `submitted`, did not.
  void Begin(Backend& backend, const std::shared_ptr<const ArmTicket>& ticket, const Call& call,
             const std::vector<int32_t>& prompt, const absl::Status& submitted);
  // Each event of its stream; Ended is the last.
  void Take(const runtime::Event& event);

 private:
  void End(const absl::Status& status);

  std::shared_ptr<const ArmTicket> ticket_;
  // Set while its answer is wanted.
  ShadowQueue* shadows_ = nullptr;
  std::shared_ptr<const ShadowedRequest> shadowed_;
  std::vector<int32_t> answer_;
  experiment::Outcome outcome_;
  // Tokens of the longest of its answers.
  int64_t longest_answer_ = 0;
};

}  // namespace scanserve::server
