#include "server/generate_call.h"

#include <optional>
#include <random>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/status_macros.h"
#include "server/convert_generation.h"
#include "server/convert_priority.h"
#include "server/convert_sampling.h"
#include "server/convert_time.h"
#include "server/engine_stream_call.h"
#include "server/field_checks.h"
#include "server/prompt_parts.h"
#include "server/prompt_reader.h"
#include "server/request_setting.h"
#include "server/session_reply.h"
#include "server/session_resume.h"
#include "server/trial_record.h"

namespace scanserve::server {
namespace {

uint64_t FreshSeed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

class GenerateCall final : public EngineStreamCall<v1::GenerateResponse> {
 public:
  GenerateCall(Backend& backend, grpc::CallbackServerContext* context,
               const v1::GenerateRequest& request)
      : EngineStreamCall(backend, "Generate", context), request_(request) {}

  void Begin() {
    call().TakeId(request_.request_id());
    const absl::Status admitted = Admit();
    if (!admitted.ok()) return Fail(admitted);
    const absl::Status converted = Convert();
    if (!converted.ok()) return Fail(converted);
    if (resumed_ && request_.prompt().prompt_case() == v1::Prompt::PROMPT_NOT_SET) {
      return Run(Submit(std::vector<int32_t>()));
    }
    ReadPrompt(backend(), request_.prompt(), backend().limits().prompt_bytes,
               [this](TokensOrStatus tokens) { Run(Submit(std::move(tokens))); });
  }

 private:
  absl::Status Convert() {
    SCANSERVE_RETURN_IF_ERROR(CheckModelName(backend(), request_.model()));
    SCANSERVE_RETURN_IF_ERROR(CheckUnitKey(request_.unit_key()));
    SCANSERVE_ASSIGN_OR_RETURN(
        priority_, PriorityFromProto("priority", request_.priority(), runtime::Priority::kNormal));
    SCANSERVE_RETURN_IF_ERROR(ConvertSession());
    call().SetLabels(LabelsOf(setting_));
    const uint64_t seed = resumed_ ? resumed_->session->seed : FreshSeed();
    SCANSERVE_ASSIGN_OR_RETURN(
        generation_, GenerationFromProto(request_, backend().model(), backend().limits(), seed));
    generation_.return_session = request_.return_session();
    if (!resumed_) return absl::OkStatus();
    generation_.session = resumed_->session;
    if (!request_.sampling().has_seed()) {
      generation_.sampling.first_draw = resumed_->session->next_draw;
    }
    return absl::OkStatus();
  }

  // Chooses the setting: the session's, or what the request names.
  absl::Status ConvertSession() {
    if (request_.return_session()) SCANSERVE_RETURN_IF_ERROR(CheckSessionsFit(backend()));
    if (request_.session().empty()) {
      const Participant who = {request_.unit_key(), call().id(), /*when_unset=*/true};
      if (auto assigned = AssignedSetting(backend(), who, request_.scan(), request_.adapter())) {
        setting_ = *std::move(assigned);
        return absl::OkStatus();
      }
      SCANSERVE_ASSIGN_OR_RETURN(setting_,
                                 ChooseSetting(backend(), request_.scan(), request_.adapter()));
      return absl::OkStatus();
    }
    SCANSERVE_ASSIGN_OR_RETURN(resumed_,
                               ResumeSession(backend(), request_.session(), call().identity()));
    SCANSERVE_ASSIGN_OR_RETURN(setting_, ResumedSetting(backend(), resumed_->binding,
                                                        request_.scan(), request_.adapter()));
    return absl::OkStatus();
  }

  absl::StatusOr<Stream> Submit(TokensOrStatus tokens) {
    if (!tokens.ok()) return tokens.status();
    prompt_tokens_ = static_cast<int64_t>(tokens->size());
    // A session with pending tokens goes on without new ones.
    if (!resumed_ || resumed_->session->pending.empty() || prompt_tokens_ > 0) {
      SCANSERVE_RETURN_IF_ERROR(
          CheckPromptTokens(prompt_tokens_, MaxPromptTokens(backend().limits(), *setting_.scan)));
    }
    call().CountPromptTokens(prompt_tokens_);
    if (request_.echo() || request_.prompt_logprobs()) prompt_ = *tokens;
    runtime::GenerateRequest request = generation_;
    request.basics = Basics(setting_, call(), priority_);
    if (setting_.ticket == nullptr) {
      request.prompt = *std::move(tokens);
      return backend().engine().Generate(std::move(request));
    }
    request.prompt = *tokens;
    auto stream = backend().engine().Generate(std::move(request));
    trial_.Begin(backend(), setting_.ticket, call(), *tokens, stream.status());
    return stream;
  }

  void Accept(runtime::Event event) override {
    trial_.Take(event);
    event_ = std::move(event);
  }

  bool NextMessage(v1::GenerateResponse* message) override {
    if (!session_.complete()) {
      session_.Next(message->mutable_session());
      return true;
    }
    if (event_) {
      FillEvent(*std::exchange(event_, std::nullopt), message);
      if (message->event_case() != v1::GenerateResponse::EVENT_NOT_SET) return true;
    }
    if (!prompt_parts_) return false;
    if (prompt_parts_->Next(message->mutable_prompt())) return true;
    // Gives the memory back to the next request.
    prompt_parts_.reset();
    return false;
  }

  void FillEvent(runtime::Event event, v1::GenerateResponse* message) {
    if (const auto* started = std::get_if<runtime::Started>(&event)) {
      FillStarted(*started, message->mutable_started());
      if (!request_.prompt_logprobs() && request_.echo()) BeginPrompt(nullptr);
    } else if (auto* logprobs = std::get_if<runtime::PromptLogprobs>(&event)) {
      BeginPrompt(std::move(logprobs->values));
    } else if (auto* delta = std::get_if<runtime::Delta>(&event)) {
      *message->mutable_delta() = DeltaToProto(std::move(*delta), *backend().model().tokenizer);
    } else if (const auto* finished = std::get_if<runtime::Finished>(&event)) {
      generated_tokens_ += finished->generated_tokens;
      call().CountGeneratedTokens(finished->generated_tokens);
      *message->mutable_finished() = FinishedToProto(*finished);
    } else if (const auto* made = std::get_if<runtime::SessionMade>(&event)) {
      const absl::Status sealed =
          session_.Seal(backend(), setting_, made->session, call().identity());
      if (!sealed.ok()) return FailAtEnd(sealed);
      session_.Next(message->mutable_session());
    } else if (const auto* ended = std::get_if<runtime::Ended>(&event)) {
      if (ended->status.ok()) FillSummary(*ended, message->mutable_summary());
    }
  }

  void BeginPrompt(std::shared_ptr<const runtime::PromptLogprobs::Values> logprobs) {
    prompt_parts_.emplace(std::move(prompt_), request_.echo(), std::move(logprobs),
                          *backend().model().tokenizer);
  }

  void FillStarted(const runtime::Started& started, v1::GenerateStarted* proto) {
    started_ = started;
    proto->set_request_id(call().id());
    *proto->mutable_in_force() = InForceToProto(backend(), setting_);
    const runtime::SamplingParameters& sampling = generation_.sampling;
    *proto->mutable_sampling() = SamplingToProto(sampling, generation_.n);
    proto->mutable_eos_token_ids()->Assign(sampling.eos_token_ids.begin(),
                                           sampling.eos_token_ids.end());
    proto->set_prompt_tokens(prompt_tokens_);
    proto->set_cached_tokens(started.cached_tokens);
    if (resumed_) {
      proto->set_session_tokens(resumed_->session->tokens_read);
      proto->set_pending_tokens(static_cast<int64_t>(resumed_->session->pending.size()));
    }
  }

  void FillSummary(const runtime::Ended& ended, v1::GenerateSummary* proto) {
    *proto->mutable_queue_time() = DurationToProto(started_.queue_time);
    *proto->mutable_time_to_first_token() = DurationToProto(ended.time_to_first_token);
    *proto->mutable_total_time() = DurationToProto(ended.total_time);
    proto->set_prompt_tokens(prompt_tokens_);
    proto->set_cached_tokens(started_.cached_tokens);
    proto->set_generated_tokens(generated_tokens_);
  }

  const v1::GenerateRequest& request_;
  RequestSetting setting_;
  runtime::Priority priority_ = runtime::Priority::kNormal;
  std::optional<ResumedSession> resumed_;
  SessionReply session_;
  TrialRecord trial_;
  // Without setting and prompt.
  runtime::GenerateRequest generation_;
  int64_t prompt_tokens_ = 0;
  int64_t generated_tokens_ = 0;
  runtime::Started started_;
  std::optional<runtime::Event> event_;
  // To send it back.
  std::vector<int32_t> prompt_;
  std::optional<PromptParts> prompt_parts_;
};

}  // namespace

grpc::ServerWriteReactor<v1::GenerateResponse>* StartGenerate(Backend& backend,
                                                              grpc::CallbackServerContext* context,
                                                              const v1::GenerateRequest* request) {
  auto* call = new GenerateCall(backend, context, *request);
  call->Begin();
  return call;
}

}  // namespace scanserve::server
