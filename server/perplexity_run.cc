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
// Read ahead of the engine, so that `stop` is seen while documents wait.
constexpr size_t kWaitingDocuments = 64;
constexpr int64_t kWaitingBytes = 1 << 20;
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
      assembler_(backend.limits().document_bytes) {}

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

bool PerplexityRun::WantsRequest() const {
  return fault_.ok() && !requests_ended_ && waiting_.size() < kWaitingDocuments &&
         waiting_bytes_ < kWaitingBytes;
}

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

void PerplexityRun::EndRequests() {
  requests_ended_ = true;
  if (!rules_) return Fail(NoSettings());
  if (!assembler_.incomplete()) return;
  Fail(absl::InvalidArgumentError(
      absl::StrCat("document ", assembler_.next_index(), ": its last part did not come")));
}

absl::Status PerplexityRun::TakeSettings(const v1::PerplexitySettings& settings) {
  if (rules_) return absl::InvalidArgumentError("settings came twice");
  call_.TakeId(settings.request_id());
  SCANSERVE_RETURN_IF_ERROR(CheckModelName(backend_, settings.model()));
  SCANSERVE_RETURN_IF_ERROR(CheckUnitKey(settings.unit_key()));
  SCANSERVE_ASSIGN_OR_RETURN(priority_, PriorityFromProto("settings.priority", settings.priority(),
                                                          runtime::Priority::kLow));
  SCANSERVE_ASSIGN_OR_RETURN(setting_,
                             ChooseSetting(backend_, settings.scan(), settings.adapter()));
  SCANSERVE_RETURN_IF_ERROR(ChooseScanOfMode(settings));
  SCANSERVE_ASSIGN_OR_RETURN(
      rules_, ScoringRulesFromProto(settings, MaxPromptTokens(backend_.limits(), *setting_.scan)));
  v1::PerplexityStarted& started = *outgoing_.emplace_back().mutable_started();
  started.set_request_id(call_.id());
  *started.mutable_in_force() = InForceToProto(backend_, setting_);
  return absl::OkStatus();
}

// SLIDING knows natural order alone: what the server assigns gives way to it, what was named does
// not.
absl::Status PerplexityRun::ChooseScanOfMode(const v1::PerplexitySettings& settings) {
  if (settings.mode() != v1::PERPLEXITY_MODE_SLIDING) return absl::OkStatus();
  if (settings.scan().has_setting() && setting_.scan->permutes()) {
    return absl::InvalidArgumentError(absl::StrCat("settings.scan: order ",
                                                   setting_.scan->setting.order_name,
                                                   ", SLIDING reads in natural order only"));
  }
  setting_.scan = backend_.scans().Identity();
  return absl::OkStatus();
}

absl::Status PerplexityRun::TakeDocument(v1::DocumentPart part) {
  if (!rules_) return NoSettings();
  SCANSERVE_ASSIGN_OR_RETURN(std::optional<Document> document, assembler_.Add(std::move(part)));
  if (!document) return absl::OkStatus();
  waiting_bytes_ += ContentBytes(document->content);
  waiting_.push_back(*std::move(document));
  return absl::OkStatus();
}

void PerplexityRun::Stop() {
  dropped_ = static_cast<int64_t>(waiting_.size()) + (assembler_.incomplete() ? 1 : 0);
  waiting_.clear();
  requests_ended_ = true;
}

// ---- What the engine does.

bool PerplexityRun::BeginDocument() {
  if (!fault_.ok() || waiting_.empty()) return false;
  // Values of one document must not be mixed with another's.
  const size_t at_once = rules_->per_token ? 1 : kDocumentsInEngine;
  if (active_.size() >= at_once ||
      waiting_.front().index >= totals_.next_index() + kEarlyDocuments) {
    return false;
  }
  auto scoring = std::make_shared<DocumentScoring>();
  scoring->document = std::move(waiting_.front());
  waiting_.pop_front();
  const v1::Prompt& content = scoring->document.content;
  waiting_bytes_ -= ContentBytes(content);
  active_.push_back(scoring);
  const int64_t max_bytes = backend_.limits().document_bytes;
  if (!IsLongText(content)) {
    Submit(scoring, PromptTokens(backend_.model(), content, max_bytes));
    return true;
  }
  const bool posted = backend_.tokenizing().TryPost([this, scoring, max_bytes] {
    TokensOrStatus tokens = PromptTokens(backend_.model(), scoring->document.content, max_bytes);
    resume_([this, &scoring, &tokens] { Submit(scoring, std::move(tokens)); });
  });
  if (!posted) Submit(scoring, TooManyLongTexts());
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
  runtime::ScoreRequest request;
  request.basics = Basics(setting_, call_, priority_);
  request.tokens = *std::move(tokens);
  request.mode = rules_->mode;
  request.window_tokens = rules_->window_tokens;
  request.stride_tokens = rules_->stride_tokens;
  request.prefix_tokens = rules_->prefix_tokens;
  request.per_token = rules_->per_token;
  auto stream = backend_.engine().Score(std::move(request));
  if (!absl::IsResourceExhausted(stream.status())) return stream;
  return WithRetryDelay(stream.status(), absl::Seconds(1));
}

bool PerplexityRun::TakeEvents(const ScoringPtr& scoring) {
  if (scoring->stream == nullptr || scoring->armed) return false;
  while (!fault_.ok() || outgoing_.size() < kWaitingMessages) {
    const std::optional<runtime::Event> event = scoring->stream->Next();
    if (!event) {
      scoring->armed = true;
      scoring->stream->NotifyWhenReady([this, scoring] {
        backend_.Deliver([this, scoring] { resume_([&scoring] { scoring->armed = false; }); });
      });
      return false;
    }
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
  waiting_.clear();
  outgoing_.clear();
  for (const ScoringPtr& scoring : active_) {
    if (scoring->stream != nullptr) scoring->stream->Cancel();
  }
}

void PerplexityRun::QueueTotals() {
  if (totals_queued_ || !requests_ended_ || !waiting_.empty() || !active_.empty()) return;
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
