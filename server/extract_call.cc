#include "server/extract_call.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "core/base/status_macros.h"
#include "server/convert_extraction.h"
#include "server/convert_priority.h"
#include "server/engine_stream_call.h"
#include "server/field_checks.h"
#include "server/prompt_reader.h"
#include "server/request_setting.h"

namespace scanserve::server {
namespace {

// What a chunk's other fields take at most.
constexpr int64_t kChunkOverheadBytes = 256;

class ExtractCall final : public EngineStreamCall<v1::ExtractHiddenStatesResponse> {
 public:
  ExtractCall(Backend& backend, grpc::CallbackServerContext* context,
              const v1::ExtractHiddenStatesRequest& request)
      : EngineStreamCall(backend, "ExtractHiddenStates", context), request_(request) {}

  void Begin() {
    call().TakeId(request_.request_id());
    const absl::Status admitted = Admit();
    if (!admitted.ok()) return Fail(admitted);
    const absl::Status converted = Convert();
    if (!converted.ok()) return Fail(converted);
    ReadPrompt(backend(), request_.prompt(), backend().limits().prompt_bytes,
               [this](TokensOrStatus tokens) { Run(Submit(std::move(tokens))); });
  }

 private:
  absl::Status Convert() {
    SCANSERVE_RETURN_IF_ERROR(CheckModelName(backend(), request_.model()));
    SCANSERVE_ASSIGN_OR_RETURN(
        priority_, PriorityFromProto("priority", request_.priority(), runtime::Priority::kLow));
    SCANSERVE_RETURN_IF_ERROR(
        CheckRange("max_prompt_tokens", request_.max_prompt_tokens(), 0, INT64_MAX));
    const Participant who = {"", call().id()};
    if (auto assigned = AssignedSetting(backend(), who, request_.scan(), request_.adapter())) {
      setting_ = *std::move(assigned);
    } else {
      SCANSERVE_ASSIGN_OR_RETURN(setting_,
                                 ChooseSetting(backend(), request_.scan(), request_.adapter()));
    }
    call().SetLabels(LabelsOf(setting_));
    SCANSERVE_ASSIGN_OR_RETURN(choice_, ExtractionFromProto(request_, backend().model().config));
    return absl::OkStatus();
  }

  absl::StatusOr<Stream> Submit(TokensOrStatus tokens) {
    if (!tokens.ok()) return tokens.status();
    const int64_t kept = request_.max_prompt_tokens();
    if (kept > 0 && kept < static_cast<int64_t>(tokens->size())) {
      tokens->resize(static_cast<size_t>(kept));
    }
    prompt_tokens_ = static_cast<int64_t>(tokens->size());
    const RequestLimits& limits = backend().limits();
    SCANSERVE_RETURN_IF_ERROR(
        CheckPromptTokens(prompt_tokens_, MaxPromptTokens(limits, *setting_.scan)));
    SCANSERVE_ASSIGN_OR_RETURN(
        shape_, ExtractionShape(request_, choice_, prompt_tokens_,
                                backend().model().config.hidden_size, limits.extraction_bytes));
    call().CountPromptTokens(prompt_tokens_);
    runtime::ExtractRequest request;
    request.basics = Basics(setting_, call(), priority_);
    request.tokens = *std::move(tokens);
    request.kind = choice_.kind;
    request.layers = choice_.layers;
    request.begin_position = shape_.begin_position;
    request.end_position = shape_.begin_position + shape_.rows;
    return backend().engine().Extract(std::move(request));
  }

  void Accept(runtime::Event event) override {
    if (const auto* started = std::get_if<runtime::Started>(&event)) started_ = *started;
    if (const auto* states = std::get_if<runtime::HiddenStates>(&event)) {
      chunks_.emplace(shape_, states->data, kMaxServerMessageBytes - kChunkOverheadBytes);
    }
  }

  bool NextMessage(v1::ExtractHiddenStatesResponse* message) override {
    if (started_) {
      FillStarted(*std::exchange(started_, std::nullopt), message->mutable_started());
      return true;
    }
    if (!chunks_) return false;
    if (chunks_->Next(message->mutable_chunk())) return true;
    // Gives the memory back to the next extraction, whatever the client does now.
    chunks_.reset();
    return false;
  }

  void FillStarted(const runtime::Started& started, v1::ExtractionStarted* proto) {
    proto->set_request_id(call().id());
    *proto->mutable_in_force() = InForceToProto(backend(), setting_);
    proto->set_prompt_tokens(prompt_tokens_);
    proto->set_rows(shape_.rows);
    proto->set_hidden_size(shape_.hidden_size);
    proto->mutable_layers()->Assign(shape_.layers.begin(), shape_.layers.end());
    proto->set_kind(HiddenStateKindToProto(choice_.kind));
    proto->set_type(shape_.type);
    proto->set_cached_tokens(started.cached_tokens);
  }

  const v1::ExtractHiddenStatesRequest& request_;
  RequestSetting setting_;
  runtime::Priority priority_ = runtime::Priority::kLow;
  ExtractionChoice choice_;
  HiddenStateShape shape_;
  int64_t prompt_tokens_ = 0;
  std::optional<runtime::Started> started_;
  std::optional<HiddenStateChunks> chunks_;
};

}  // namespace

grpc::ServerWriteReactor<v1::ExtractHiddenStatesResponse>* StartExtract(
    Backend& backend, grpc::CallbackServerContext* context,
    const v1::ExtractHiddenStatesRequest* request) {
  auto* call = new ExtractCall(backend, context, *request);
  call->Begin();
  return call;
}

}  // namespace scanserve::server
