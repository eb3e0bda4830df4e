#include "scanserve/v1/inference_service.grpc.pb.h"
#include "server/compare_call.h"
#include "server/extract_call.h"
#include "server/generate_call.h"
#include "server/perplexity_call.h"
#include "server/prompt_reader.h"
#include "server/services.h"
#include "server/text_handlers.h"
#include "server/unary_call.h"

namespace scanserve::server {
namespace {

class InferenceService final : public v1::InferenceService::CallbackService {
 public:
  explicit InferenceService(Backend& backend) : backend_(backend) {}

  grpc::ServerWriteReactor<v1::GenerateResponse>* Generate(
      grpc::CallbackServerContext* context, const v1::GenerateRequest* request) override {
    return StartGenerate(backend_, context, request);
  }

  grpc::ServerBidiReactor<v1::ComputePerplexityRequest, v1::ComputePerplexityResponse>*
  ComputePerplexity(grpc::CallbackServerContext* context) override {
    return StartPerplexity(backend_, context);
  }

  grpc::ServerBidiReactor<v1::CompareRequest, v1::CompareResponse>* Compare(
      grpc::CallbackServerContext* context) override {
    return StartCompare(backend_, context);
  }

  grpc::ServerWriteReactor<v1::ExtractHiddenStatesResponse>* ExtractHiddenStates(
      grpc::CallbackServerContext* context,
      const v1::ExtractHiddenStatesRequest* request) override {
    return StartExtract(backend_, context, request);
  }

  grpc::ServerUnaryReactor* Tokenize(grpc::CallbackServerContext* context,
                                     const v1::TokenizeRequest* request,
                                     v1::TokenizeResponse* response) override {
    TaskThread* thread = IsLongText(request->prompt()) ? &backend_.tokenizing() : nullptr;
    return UnaryCall::Start(
        backend_, "Tokenize", context, thread, [this, request, response](Call& call) {
          const absl::Status status = server::Tokenize(backend_, *request, response);
          call.CountPromptTokens(response->token_ids_size());
          return status;
        });
  }

  grpc::ServerUnaryReactor* Detokenize(grpc::CallbackServerContext* context,
                                       const v1::DetokenizeRequest* request,
                                       v1::DetokenizeResponse* response) override {
    return UnaryCall::Start(backend_, "Detokenize", context, nullptr,
                            [this, request, response](Call&) {
                              return server::Detokenize(backend_, *request, response);
                            });
  }

 private:
  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeInferenceService(Backend& backend) {
  return std::make_unique<InferenceService>(backend);
}

}  // namespace scanserve::server
