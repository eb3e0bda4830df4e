#include "client/scanctl/bench_call.h"

#include <memory>
#include <utility>

#include "scanserve/v1/inference_service.grpc.pb.h"

namespace scanserve::client {
namespace {

// What every call has. Filled by the callbacks of one call, which gRPC runs one after the other.
struct CallState {
  CallState(Connection& to, const BenchRequest& request, BenchTime intended, BenchDone when_done)
      : connection(to), call(std::make_unique<Call>(to)), done(std::move(when_done)) {
    outcome.index = request.index;
    outcome.entry = request.entry;
    outcome.intended = intended;
    outcome.sent = BenchClock::now();
  }

  void End(const grpc::Status& status) {
    outcome.finished = BenchClock::now();
    outcome.status = connection.FromGrpc(status);
    if (status.ok() && !counted) {
      outcome.status = absl::DataLossError("the answer ended without its counts of tokens");
    }
    call.reset();
  }

  Connection& connection;
  std::unique_ptr<Call> call;
  BenchOutcome outcome;
  bool counted = false;
  BenchDone done;
};

void Take(const v1::GenerateResponse& response, CallState& state) {
  if (response.has_delta() && response.delta().token_ids_size() > 0) {
    state.outcome.deliveries.push_back({BenchClock::now(), response.delta().token_ids_size()});
  }
  if (!response.has_summary()) return;
  state.outcome.prompt_tokens = response.summary().prompt_tokens();
  state.outcome.cached_tokens = response.summary().cached_tokens();
  state.outcome.generated_tokens = response.summary().generated_tokens();
  state.counted = true;
}

void Take(const v1::ExtractHiddenStatesResponse& response, CallState& state) {
  if (!response.has_started()) return;
  state.outcome.prompt_tokens = response.started().prompt_tokens();
  state.counted = true;
}

void Take(const v1::ComputePerplexityResponse& response, CallState& state) {
  if (!response.has_totals()) return;
  state.outcome.prompt_tokens = response.totals().document_tokens();
  state.counted = true;
}

// Hands the outcome on after the call is gone, so that its connection may go then.
template <typename Reactor>
void Finish(Reactor* reactor, CallState& state, const grpc::Status& status) {
  state.End(status);
  BenchOutcome outcome = std::move(state.outcome);
  const BenchDone done = std::move(state.done);
  delete reactor;
  done(std::move(outcome));
}

// One request, a stream of answers. Deletes itself.
template <typename Response>
class StreamingCall final : public grpc::ClientReadReactor<Response> {
 public:
  explicit StreamingCall(CallState state) : state_(std::move(state)) {}

  grpc::ClientContext* context() { return state_.call->context(); }

  void Begin() {
    this->StartRead(&response_);
    this->StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    Take(response_, state_);
    this->StartRead(&response_);
  }

  void OnDone(const grpc::Status& status) override { Finish(this, state_, status); }

 private:
  CallState state_;
  Response response_;
};

// Settings, one document, end. Deletes itself.
class PerplexityCall final
    : public grpc::ClientBidiReactor<v1::ComputePerplexityRequest, v1::ComputePerplexityResponse> {
 public:
  PerplexityCall(CallState state, BenchPerplexityRequest request) : state_(std::move(state)) {
    *settings_.mutable_settings() = std::move(request.settings);
    *document_.mutable_document() = std::move(request.document);
  }

  grpc::ClientContext* context() { return state_.call->context(); }

  void Begin() {
    StartRead(&response_);
    StartWrite(&settings_);
    StartCall();
  }

  void OnWriteDone(bool ok) override {
    if (ok && !std::exchange(document_sent_, true)) {
      StartWriteLast(&document_, grpc::WriteOptions());
    }
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    Take(response_, state_);
    StartRead(&response_);
  }

  void OnDone(const grpc::Status& status) override { Finish(this, state_, status); }

 private:
  CallState state_;
  v1::ComputePerplexityRequest settings_;
  v1::ComputePerplexityRequest document_;
  bool document_sent_ = false;
  v1::ComputePerplexityResponse response_;
};

void Begin(v1::InferenceService::Stub& stub, CallState state, const v1::GenerateRequest& request) {
  auto* call = new StreamingCall<v1::GenerateResponse>(std::move(state));
  stub.async()->Generate(call->context(), &request, call);
  call->Begin();
}

void Begin(v1::InferenceService::Stub& stub, CallState state,
           const v1::ExtractHiddenStatesRequest& request) {
  auto* call = new StreamingCall<v1::ExtractHiddenStatesResponse>(std::move(state));
  stub.async()->ExtractHiddenStates(call->context(), &request, call);
  call->Begin();
}

void Begin(v1::InferenceService::Stub& stub, CallState state,
           const BenchPerplexityRequest& request) {
  auto* call = new PerplexityCall(std::move(state), request);
  stub.async()->ComputePerplexity(call->context(), call);
  call->Begin();
}

}  // namespace

void SendBenchRequest(Connection& connection, const BenchRequest& request, BenchTime intended,
                      BenchDone done) {
  v1::InferenceService::Stub stub(connection.channel());
  CallState state(connection, request, intended, std::move(done));
  std::visit([&](const auto& message) { Begin(stub, std::move(state), message); }, request.message);
}

}  // namespace scanserve::client
