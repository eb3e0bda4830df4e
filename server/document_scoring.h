// One document of a perplexity call on its way through the engine, as messages.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "core/runtime/request_stream.h"
#include "scanserve/v1/inference_service.pb.h"
#include "server/document_assembler.h"

namespace scanserve::server {

// Not thread-safe: guarded by its call's mutex.
struct DocumentScoring {
  Document document;
  // Null while the document is tokenized.
  std::shared_ptr<runtime::RequestStream> stream;
  // NotifyWhenReady was called and its callback has not come: nobody takes events then, so that
  // after Ended nothing refers to the call any more.
  bool armed = false;
};

v1::ComputePerplexityResponse DocumentScoreToProto(const Document& document,
                                                   const runtime::DocumentScore& score);

// In messages that keep the limit of their size.
std::vector<v1::ComputePerplexityResponse> TokenScoresToProto(const Document& document,
                                                              const runtime::ScoredTokens& scored);

}  // namespace scanserve::server
