// The work of one comparison: documents in, each scored under both arms, messages out.
//
// One document is in the engine at a time, under one arm after the other, and the arms take turns
// in going first: both are timed under the same conditions, and the statistics see documents in the
// order in which the client sent them, whatever each takes.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/compare/paired_comparison.h"
#include "scanserve/v1/inference_service.pb.h"
#include "server/arm_times.h"
#include "server/backend.h"
#include "server/call.h"
#include "server/convert_compare.h"
#include "server/document_pair.h"
#include "server/document_queue.h"
#include "server/document_scoring.h"
#include "server/request_setting.h"

namespace scanserve::server {

// Not thread-safe: its call guards it with a mutex.
class CompareRun {
 public:
  CompareRun(Backend& backend, Call& call, Resume resume);

  void Take(v1::CompareRequest request);
  void EndRequests();
  // The first fault ends the run; work under way is cancelled and what was to be sent is dropped.
  void Fail(const absl::Status& status);

  // Does all that can be done now. Call it after each of the above and each step.
  void Advance();

  bool WantsRequest() const;
  std::optional<v1::CompareResponse> NextMessage();
  // The status to finish the call with, once nothing is to be sent and no step will come any more.
  std::optional<absl::Status> End() const;

 private:
  // The document under way.
  struct Pairing : DocumentScoring {
    explicit Pairing(bool begins_with_b) : b_first(begins_with_b), pair(begins_with_b) {}

    const bool b_first;
    DocumentPair pair;
    std::vector<int32_t> tokens;
    // Whether the first arm is done.
    bool second = false;
    absl::Duration queue_time;
    absl::Duration time_a;
    absl::Duration time_b;
    std::string unscored_reason;

    bool running_b() const { return second != b_first; }
  };

  absl::Status TakeSettings(const v1::CompareSettings& settings);
  v1::CompareStarted Started(const v1::CompareSettings& settings) const;
  void Stop(v1::CompareEnd end);

  // True when a document has begun or a fault was found.
  bool BeginDocument();
  absl::Status BeginPairing(TokensOrStatus tokens);
  absl::Status StartArm();
  // True when an arm has ended.
  bool TakeEvents();
  absl::Status TakeEvent(runtime::Event event);
  absl::Status EndArm(const runtime::Ended& ended);
  absl::Status EndDocument();

  absl::Status AddObservation(const std::string& group, const compare::PairedCluster& cluster);
  void FlushGroup();
  void LookIfDue();
  void DropWork();
  void QueueTotals();

  Backend& backend_;
  Call& call_;
  const Resume resume_;
  absl::Status fault_;
  RequestSetting a_;
  RequestSetting b_;
  compare::ComparisonOptions options_;
  bool stop_early_ = true;
  bool per_token_ = false;
  // Of v1::CompareStarted.
  std::string no_verdict_reason_;
  // Set, with the comparison, once the settings have come.
  std::optional<ScoringRules> rules_;
  std::optional<compare::PairedComparison> comparison_;
  DocumentQueue documents_;
  // Null between documents.
  std::shared_ptr<Pairing> current_;
  std::deque<v1::CompareResponse> outgoing_;

  // The group whose documents are coming, and those that came before it.
  std::string group_;
  compare::PairedCluster group_cluster_;
  std::unordered_set<std::string> past_groups_;

  v1::CompareEnd end_ = v1::COMPARE_END_DOCUMENTS;
  bool totals_queued_ = false;
  int64_t compared_ = 0;
  int64_t document_tokens_ = 0;
  int64_t model_tokens_ = 0;
  int64_t dropped_ = 0;
  PairedClassScores scores_;
  ArmTimes times_;
};

}  // namespace scanserve::server
