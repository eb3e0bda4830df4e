#include "server/perplexity_run.h"

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/status_macros.h"
#include "server/convert_priority.h"
#include "server/convert_time.h"
#include "server/field_checks.h"
#include "server/grpc_status.h"

namespace scanserve::server {
namespace {

constexpr size_t kDocumentsInEngine = 4;
// Finished ahead of the oldest unfinished one: their sums are kept until it is done.
constexpr int64_t kEarlyDocuments = 1024;
// Messages that wait for the client to read.
constexpr size_t kWaitingMessages = 8;

absl::Status NoSettings() {
  return absl::InvalidArgumentError("the first message must be settings");
}

}  // namespace

PerplexityRun::PerplexityRun(Backend& backend, Call& call, Resume resume)
    : backend_(backend),
      call_(call),
      resume_(std::move(resume)),
      documents_(backend.limits().document_bytes) {}

void PerplexityRun::Fail(const absl::Status& status) {
  if (fault_.ok()) fault_ = status;
}

void PerplexityRun::Advance() {
  bool progress = true;
  while (progress) {
    if (!fault_.ok()) DropWork();
    const size_t before = active_.size();
    active_.remove_if([this](const ScoringPtr& scoring) { return TakeEvents(scoring); });
    progress = active_.size() < before;
    if (BeginDocument()) progress = true;
  }
  if (fault_.ok()) QueueTotals();
}

bool PerplexityRun::WantsRequest() const { return fault_.ok() && documents_.WantsPart(); }

std::optional<v1::ComputePerplexityResponse> PerplexityRun::NextMessage() {
  if (outgoing_.empty()) return std::nullopt;
  v1::ComputePerplexityResponse message = std::move(outgoing_.front());
  outgoing_.pop_front();
  return message;
}

std::optional<absl::Status> PerplexityRun::End() const {
  if (!active_.empty() || !outgoing_.empty()) return std::nullopt;
  if (fault_.ok() && !totals_queued_) return std::nullopt;
  return fault_;
}

// ---- What the client sends.

void PerplexityRun::Take(v1::ComputePerplexityRequest request) {
  switch (request.part_case()) {
    case v1::ComputePerplexityRequest::kSettings:
      return Fail(TakeSettings(request.settings()));
    case v1::ComputePerplexityRequest::kDocument:
      return Fail(TakeDocument(std::move(*request.mutable_document())));
    case v1::ComputePerplexityRequest::kStop:
      return rules_ ? Stop() : Fail(NoSettings());
    case v1::ComputePerplexityRequest::PART_NOT_SET:
      return Fail(
          absl::InvalidArgumentError("a message holds none of settings, document and stop"));
  }
}

void PerplexityRun::EndRequests() { Fail(rules_ ? documents_.End() : NoSettings()); }

absl::Status PerplexityRun::TakeSettings(const v1::PerplexitySettings& settings) {
  if (rules_) return absl::InvalidArgumentError("settings came twice");
  call_.TakeId(settings.request_id());
  SCANSERVE_RETURN_IF_ERROR(CheckModelName(backend_, settings.model()));
  SCANSERVE_RETURN_IF_ERROR(CheckUnitKey(settings.unit_key()));
  SCANSERVE_ASSIGN_OR_RETURN(priority_, PriorityFromProto("settings.priority", settings.priority(),
                                                          runtime::Priority::kLow));
  SCANSERVE_ASSIGN_OR_RETURN(setting_, ChooseScoredSetting(backend_, "settings", settings.mode(),
                                                           settings.scan(), settings.adapter()));
  // SLIDING knows natural order alone, so that it says nothing of an arm.
  if (settings.mode() != v1::PERPLEXITY_MODE_SLIDING) {
    const Participant who = {settings.unit_key(), call_.id()};
    auto assigned = AssignedSetting(backend_, who, settings.scan(), settings.adapter());
    if (assigned) setting_ = *std::move(assigned);
  }
  call_.SetLabels(LabelsOf(setting_));
  SCANSERVE_ASSIGN_OR_RETURN(
      rules_, ScoringRulesFromProto(settings, MaxPromptTokens(backend_.limits(), *setting_.scan)));
  v1::PerplexityStarted& started = *outgoing_.emplace_back().mutable_started();
  started.set_request_id(call_.id());
  *started.mutable_in_force() = InForceToProto(backend_, setting_);
  return absl::OkStatus();
}

absl::Status PerplexityRun::TakeDocument(v1::DocumentPart part) {
  return rules_ ? documents_.Add(std::move(part)) : NoSettings();
}

void PerplexityRun::Stop() { dropped_ = documents_.Drop(); }

// ---- What the engine does.

bool PerplexityRun::BeginDocument() {
  if (!fault_.ok() || documents_.empty()) return false;
  // One without tokens waits for nothing but its message.
  if (outgoing_.size() >= kWaitingMessages) return false;
  // Values of one document must not be mixed with another's.
  const size_t at_once = rules_->per_token ? 1 : kDocumentsInEngine;
  if (active_.size() >= at_once ||
      documents_.next_index() >= totals_.next_index() + kEarlyDocuments) {
    return false;
  }
  auto scoring = std::make_shared<DocumentScoring>();
  scoring->document = documents_.Pop();
  active_.push_back(scoring);
  ReadDocument(backend_, scoring, resume_,
               [this, scoring](TokensOrStatus tokens) { Submit(scoring, std::move(tokens)); });
  return true;
}

void PerplexityRun::Submit(const ScoringPtr& scoring, TokensOrStatus tokens) {
  absl::StatusOr<StreamPtr> stream = SubmitTokens(*scoring, std::move(tokens));
  if (!stream.ok()) FailDocument(*scoring, stream.status());
  if (stream.ok()) scoring->stream = *std::move(stream);
  if (scoring->stream == nullptr) active_.remove(scoring);
}

absl::StatusOr<PerplexityRun::StreamPtr> PerplexityRun::SubmitTokens(const DocumentScoring& scoring,
                                                                     TokensOrStatus tokens) {
  if (!tokens.ok()) return tokens.status();
  if (!fault_.ok()) return nullptr;
  const auto count = static_cast<int64_t>(tokens->size());
  SCANSERVE_RETURN_IF_ERROR(CheckDocumentTokens(*rules_, count));
  model_tokens_ += ModelTokens(*rules_, count);
  SCANSERVE_RETURN_IF_ERROR(CheckAtMost("all documents so far", model_tokens_,
                                        backend_.limits().perplexity_tokens, "model tokens"));
  call_.CountPromptTokens(count);
  if (count == 0) {
    runtime::DocumentScore score;
    score.unscored_reason = "the document has no tokens";
    TakeScore(scoring.document, score);
    return nullptr;
  }
  return StartScoring(backend_, Basics(setting_, call_, priority_), *rules_, *std::move(tokens));
}

bool PerplexityRun::TakeEvents(const ScoringPtr& scoring) {
  while (!fault_.ok() || outgoing_.size() < kWaitingMessages) {
    const std::optional<runtime::Event> event = NextEvent(backend_, scoring, resume_);
    if (!event) return false;
    if (const auto* ended = std::get_if<runtime::Ended>(&*event)) {
      if (!ended->status.ok()) FailDocument(*scoring, ended->status);
      return true;
    }
    if (fault_.ok()) TakeEvent(*scoring, *event);
  }
  return false;
}

void PerplexityRun::TakeEvent(const DocumentScoring& scoring, const runtime::Event& event) {
  if (const auto* scored = std::get_if<runtime::ScoredTokens>(&event)) {
    for (auto& message : TokenScoresToProto(scoring.document, *scored)) {
      outgoing_.push_back(std::move(message));
    }
  } else if (const auto* score = std::get_if<runtime::DocumentScore>(&event)) {
    TakeScore(scoring.document, *score);
  }
}

void PerplexityRun::TakeScore(const Document& document, const runtime::DocumentScore& score) {
  outgoing_.push_back(DocumentScoreToProto(document, score));
  totals_.Add(document.index, score);
}

void PerplexityRun::FailDocument(const DocumentScoring& scoring, const absl::Status& status) {
  Fail(WithPrefix(status, absl::StrCat("document ", scoring.document.index, ": ")));
}

void PerplexityRun::DropWork() {
  documents_.Drop();
  outgoing_.clear();
  for (const ScoringPtr& scoring : active_) {
    if (scoring->stream != nullptr) scoring->stream->Cancel();
  }
}

void PerplexityRun::QueueTotals() {
  if (totals_queued_ || !documents_.exhausted() || !active_.empty()) return;
  totals_queued_ = true;
  v1::PerplexityTotals& totals = *outgoing_.emplace_back().mutable_totals();
  totals.set_documents(totals_.next_index());
  totals.set_document_tokens(totals_.sum().document_tokens);
  *totals.mutable_scores() = ClassScoresToProto(totals_.sum());
  *totals.mutable_first_target() = ScoreToProto(totals_.sum().first_target);
  *totals.mutable_total_time() = DurationToProto(absl::Now() - call_.arrived());
  totals.set_dropped_documents(dropped_);
  totals.set_cached_tokens(totals_.sum().cached_tokens);
}

}  // namespace scanserve::server
