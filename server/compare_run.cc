#include "server/compare_run.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/status_macros.h"
#include "server/convert_time.h"
#include "server/field_checks.h"
#include "server/grpc_status.h"

namespace scanserve::server {
namespace {

// Messages that wait for the client to read before the next document begins.
constexpr size_t kWaitingMessages = 8;
// The statistics keep some bytes of each.
constexpr int64_t kMaxDocuments = 100'000;

absl::Status NoSettings() {
  return absl::InvalidArgumentError("the first message must be settings");
}

}  // namespace

CompareRun::CompareRun(Backend& backend, Call& call, Resume resume)
    : backend_(backend),
      call_(call),
      resume_(std::move(resume)),
      documents_(backend.limits().document_bytes) {}

void CompareRun::Fail(const absl::Status& status) {
  if (fault_.ok()) fault_ = status;
}

void CompareRun::Advance() {
  bool progress = true;
  while (progress) {
    if (!fault_.ok()) DropWork();
    progress = TakeEvents();
    if (BeginDocument()) progress = true;
  }
  if (fault_.ok()) QueueTotals();
}

bool CompareRun::WantsRequest() const { return fault_.ok() && documents_.WantsPart(); }

std::optional<v1::CompareResponse> CompareRun::NextMessage() {
  if (outgoing_.empty()) return std::nullopt;
  v1::CompareResponse message = std::move(outgoing_.front());
  outgoing_.pop_front();
  return message;
}

std::optional<absl::Status> CompareRun::End() const {
  if (current_ != nullptr || !outgoing_.empty()) return std::nullopt;
  if (fault_.ok() && !totals_queued_) return std::nullopt;
  return fault_;
}

// ---- What the client sends.

void CompareRun::Take(v1::CompareRequest request) {
  switch (request.part_case()) {
    case v1::CompareRequest::kSettings:
      return Fail(TakeSettings(request.settings()));
    case v1::CompareRequest::kDocument:
      return Fail(rules_ ? documents_.Add(std::move(*request.mutable_document())) : NoSettings());
    case v1::CompareRequest::kStop:
      return rules_ ? Stop(v1::COMPARE_END_STOP) : Fail(NoSettings());
    case v1::CompareRequest::PART_NOT_SET:
      return Fail(
          absl::InvalidArgumentError("a message holds none of settings, document and stop"));
  }
}

void CompareRun::EndRequests() { Fail(rules_ ? documents_.End() : NoSettings()); }

absl::Status CompareRun::TakeSettings(const v1::CompareSettings& settings) {
  if (rules_) return absl::InvalidArgumentError("settings came twice");
  call_.TakeId(settings.request_id());
  SCANSERVE_RETURN_IF_ERROR(CheckModelName(backend_, settings.model()));
  const v1::PerplexityMode mode = CompareMode(settings);
  SCANSERVE_ASSIGN_OR_RETURN(a_, ChooseScoredSetting(backend_, "settings.a", mode,
                                                     settings.a().scan(), settings.a().adapter()));
  SCANSERVE_ASSIGN_OR_RETURN(b_, ChooseScoredSetting(backend_, "settings.b", mode,
                                                     settings.b().scan(), settings.b().adapter()));
  SCANSERVE_ASSIGN_OR_RETURN(options_, ComparisonOptionsFromProto(settings));
  const RequestLimits& limits = backend_.limits();
  SCANSERVE_ASSIGN_OR_RETURN(
      rules_, CompareRulesFromProto(settings, std::min(MaxPromptTokens(limits, *a_.scan),
                                                       MaxPromptTokens(limits, *b_.scan))));
  comparison_.emplace(options_);
  if (settings.has_stop_early()) stop_early_ = settings.stop_early();
  per_token_ = settings.per_token();
  if (mode == v1::PERPLEXITY_MODE_FULL_WINDOW && (a_.scan->permutes() || b_.scan->permutes())) {
    no_verdict_reason_ =
        "FULL_WINDOW under an order scores text that may have been read before it is predicted";
  }
  *outgoing_.emplace_back().mutable_started() = Started(settings);
  return absl::OkStatus();
}

v1::CompareStarted CompareRun::Started(const v1::CompareSettings& settings) const {
  v1::CompareStarted started;
  started.set_request_id(call_.id());
  *started.mutable_a() = InForceToProto(backend_, a_);
  *started.mutable_b() = InForceToProto(backend_, b_);
  started.set_mode(CompareMode(settings));
  started.set_margin(options_.margin);
  started.set_alpha(options_.alpha);
  started.set_plan(options_.plan == compare::Plan::kHybrid ? v1::COMPARE_PLAN_HYBRID
                                                           : v1::COMPARE_PLAN_OPEN_ENDED);
  started.set_seed(settings.seed());
  started.set_stop_early(stop_early_);
  started.set_no_verdict_reason(no_verdict_reason_);
  return started;
}

void CompareRun::Stop(v1::CompareEnd end) {
  dropped_ = documents_.Drop();
  end_ = end;
}

// ---- What the engine does.

bool CompareRun::BeginDocument() {
  if (!fault_.ok() || current_ != nullptr || documents_.empty()) return false;
  if (outgoing_.size() >= kWaitingMessages) return false;
  if (documents_.next_index() >= kMaxDocuments) {
    Fail(absl::InvalidArgumentError(
        absl::StrCat("document ", kMaxDocuments, ": a comparison takes ", kMaxDocuments)));
    return true;
  }
  current_ = std::make_shared<Pairing>(documents_.next_index() % 2 == 1);
  current_->document = documents_.Pop();
  ReadDocument(backend_, current_, resume_, [this](TokensOrStatus tokens) {
    const std::string name = absl::StrCat("document ", current_->document.index, ": ");
    const absl::Status begun = BeginPairing(std::move(tokens));
    if (begun.ok()) return;
    Fail(WithPrefix(begun, name));
    current_ = nullptr;
  });
  return true;
}

absl::Status CompareRun::BeginPairing(TokensOrStatus tokens) {
  if (!fault_.ok()) return fault_;
  SCANSERVE_RETURN_IF_ERROR(tokens.status());
  const auto count = static_cast<int64_t>(tokens->size());
  SCANSERVE_RETURN_IF_ERROR(CheckDocumentTokens(*rules_, count));
  model_tokens_ += 2 * ModelTokens(*rules_, count);
  SCANSERVE_RETURN_IF_ERROR(CheckAtMost("all documents so far, under both arms", model_tokens_,
                                        backend_.limits().perplexity_tokens, "model tokens"));
  call_.CountPromptTokens(2 * count);
  if (count == 0) {
    current_->unscored_reason = "the document has no tokens";
    return EndDocument();
  }
  current_->tokens = *std::move(tokens);
  return StartArm();
}

absl::Status CompareRun::StartArm() {
  runtime::RequestBasics basics =
      Basics(current_->running_b() ? b_ : a_, call_, runtime::Priority::kLow);
  // The second arm may begin as the first did, and would be faster for it.
  basics.use_prefix_cache = false;
  SCANSERVE_ASSIGN_OR_RETURN(current_->stream,
                             StartScoring(backend_, std::move(basics), *rules_, current_->tokens));
  return absl::OkStatus();
}

bool CompareRun::TakeEvents() {
  if (current_ == nullptr) return false;
  // Kept, though the document may end meanwhile.
  const std::shared_ptr<Pairing> pairing = current_;
  while (std::optional<runtime::Event> event = NextEvent(backend_, pairing, resume_)) {
    const auto* ended = std::get_if<runtime::Ended>(&*event);
    const absl::Status taken = ended != nullptr ? EndArm(*ended) : TakeEvent(*std::move(event));
    if (!taken.ok()) {
      Fail(WithPrefix(taken, absl::StrCat("document ", pairing->document.index, ": ")));
      pairing->stream->Cancel();
    }
    if (ended != nullptr) {
      if (!fault_.ok()) current_ = nullptr;
      return true;
    }
  }
  return false;
}

absl::Status CompareRun::TakeEvent(runtime::Event event) {
  if (!fault_.ok()) return absl::OkStatus();
  if (const auto* started = std::get_if<runtime::Started>(&event)) {
    current_->queue_time = started->queue_time;
  } else if (auto* scored = std::get_if<runtime::ScoredTokens>(&event)) {
    if (!current_->second) {
      current_->pair.AddFirst(std::move(scored->targets));
      return absl::OkStatus();
    }
    SCANSERVE_RETURN_IF_ERROR(current_->pair.AddSecond(scored->targets));
    if (!per_token_) return absl::OkStatus();
    for (auto& message : current_->pair.MessagesOf(current_->document, scored->targets)) {
      outgoing_.push_back(std::move(message));
    }
  } else if (const auto* score = std::get_if<runtime::DocumentScore>(&event)) {
    current_->unscored_reason = score->unscored_reason;
  }
  return absl::OkStatus();
}

absl::Status CompareRun::EndArm(const runtime::Ended& ended) {
  SCANSERVE_RETURN_IF_ERROR(ended.status);
  if (!fault_.ok()) return absl::OkStatus();
  (current_->running_b() ? current_->time_b : current_->time_a) =
      ended.total_time - current_->queue_time;
  if (current_->second) return EndDocument();
  current_->second = true;
  return StartArm();
}

absl::Status CompareRun::EndDocument() {
  const std::shared_ptr<Pairing> done = std::exchange(current_, nullptr);
  SCANSERVE_RETURN_IF_ERROR(done->pair.End());
  v1::ComparedDocument& proto = *outgoing_.emplace_back().mutable_document();
  proto.set_document_id(done->document.id);
  proto.set_group(done->document.group);
  proto.set_index(done->document.index);
  proto.set_document_tokens(static_cast<int64_t>(done->tokens.size()));
  *proto.mutable_scores() = PairedClassScoresToProto(done->pair.scores());
  *proto.mutable_time_a() = DurationToProto(done->time_a);
  *proto.mutable_time_b() = DurationToProto(done->time_b);
  proto.set_unscored_reason(done->unscored_reason);
  ++compared_;
  document_tokens_ += static_cast<int64_t>(done->tokens.size());
  scores_.Add(done->pair.scores());
  if (!done->tokens.empty()) times_.Add(done->time_a, done->time_b);
  return AddObservation(done->document.group, done->pair.cluster());
}

// ---- What it shows.

absl::Status CompareRun::AddObservation(const std::string& group,
                                        const compare::PairedCluster& cluster) {
  if (group.empty() || group != group_) FlushGroup();
  if (group.empty()) {
    comparison_->Add(cluster);
    LookIfDue();
    return absl::OkStatus();
  }
  if (group != group_) {
    if (!past_groups_.insert(group).second) {
      return absl::InvalidArgumentError(
          "its group has come before, with documents of others in between");
    }
    group_ = group;
  }
  group_cluster_.Merge(cluster);
  return absl::OkStatus();
}

void CompareRun::FlushGroup() {
  if (group_.empty()) return;
  comparison_->Add(std::exchange(group_cluster_, {}));
  group_.clear();
  LookIfDue();
}

void CompareRun::LookIfDue() {
  if (!comparison_->IsLookDue()) return;
  const bool with_verdict = no_verdict_reason_.empty();
  const compare::ComparisonLook look = comparison_->Look(absl::Now());
  *outgoing_.emplace_back().mutable_estimate() = EstimateToProto(*comparison_, look, with_verdict);
  if (with_verdict && stop_early_ && look.may_stop && !documents_.exhausted()) {
    Stop(v1::COMPARE_END_VERDICT);
  }
}

void CompareRun::DropWork() {
  documents_.Drop();
  outgoing_.clear();
  if (current_ != nullptr && current_->stream != nullptr) current_->stream->Cancel();
}

void CompareRun::QueueTotals() {
  if (totals_queued_ || !documents_.exhausted() || current_ != nullptr) return;
  totals_queued_ = true;
  FlushGroup();
  const bool with_verdict = no_verdict_reason_.empty();
  const absl::Time now = absl::Now();
  // A size that a verdict or the client's `stop` has set is not a size fixed before.
  const compare::ComparisonLook look =
      end_ == v1::COMPARE_END_DOCUMENTS ? comparison_->LookAtEnd(now) : comparison_->Look(now);
  v1::CompareTotals& totals = *outgoing_.emplace_back().mutable_totals();
  totals.set_documents(compared_);
  totals.set_document_tokens(document_tokens_);
  *totals.mutable_scores() = PairedClassScoresToProto(scores_);
  *totals.mutable_estimate() = EstimateToProto(*comparison_, look, with_verdict);
  if (with_verdict && comparison_->first_verdict()) {
    *totals.mutable_first_verdict() = FirstVerdictToProto(*comparison_->first_verdict());
  }
  totals.set_end(end_);
  totals.set_dropped_documents(dropped_);
  AddBootstrap(*comparison_, options_.alpha, totals);
  times_.AddTo(totals, options_.alpha);
  *totals.mutable_total_time() = DurationToProto(now - call_.arrived());
}

}  // namespace scanserve::server
