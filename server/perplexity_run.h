// The work of one perplexity call: documents in, messages out.
//
// Documents are read ahead of the engine, a few are in it at once, and their scores become messages
// as they finish. The totals add up in the order of the documents, so they are equal to the bit
// each time.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "scanserve/v1/inference_service.pb.h"
#include "server/backend.h"
#include "server/call.h"
#include "server/convert_perplexity.h"
#include "server/document_queue.h"
#include "server/document_scoring.h"
#include "server/prompt_reader.h"
#include "server/request_setting.h"
#include "server/score_totals.h"

namespace scanserve::server {

// Not thread-safe: its call guards it with a mutex.
class PerplexityRun {
 public:
  PerplexityRun(Backend& backend, Call& call, Resume resume);

  void Take(v1::ComputePerplexityRequest request);
  void EndRequests();
  // The first fault ends the run; work under way is cancelled and what was to be sent is dropped.
  void Fail(const absl::Status& status);

  // Does all that can be done now. Call it after each of the above and each step.
  void Advance();

  bool WantsRequest() const;
  std::optional<v1::ComputePerplexityResponse> NextMessage();
  // The status to finish the call with, once nothing is to be sent and no step will come any more.
  std::optional<absl::Status> End() const;

 private:
  using ScoringPtr = std::shared_ptr<DocumentScoring>;
  using StreamPtr = std::shared_ptr<runtime::RequestStream>;

  absl::Status TakeSettings(const v1::PerplexitySettings& settings);
  absl::Status TakeDocument(v1::DocumentPart part);
  void Stop();

  // True when a document has begun or a fault was found.
  bool BeginDocument();
  void Submit(const ScoringPtr& scoring, TokensOrStatus tokens);
  // Null when the document needs no engine.
  absl::StatusOr<StreamPtr> SubmitTokens(const DocumentScoring& scoring, TokensOrStatus tokens);
  // True when the document has ended.
  bool TakeEvents(const ScoringPtr& scoring);
  void TakeEvent(const DocumentScoring& scoring, const runtime::Event& event);
  void TakeScore(const Document& document, const runtime::DocumentScore& score);
  void FailDocument(const DocumentScoring& scoring, const absl::Status& status);
  void DropWork();
  void QueueTotals();

  Backend& backend_;
  Call& call_;
  const Resume resume_;
  bool totals_queued_ = false;
  absl::Status fault_;
  RequestSetting setting_;
  runtime::Priority priority_ = runtime::Priority::kLow;
  // Set once the settings have come.
  std::optional<ScoringRules> rules_;
  DocumentQueue documents_;
  std::list<ScoringPtr> active_;
  std::deque<v1::ComputePerplexityResponse> outgoing_;
  ScoreTotals totals_;
  int64_t model_tokens_ = 0;
  int64_t dropped_ = 0;
};

}  // namespace scanserve::server
