// One document of a call on its way through tokenizer and engine, and as messages.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/runtime/request_stream.h"
#include "scanserve/v1/inference_service.pb.h"
#include "server/backend.h"
#include "server/convert_perplexity.h"
#include "server/document_assembler.h"
#include "server/prompt_reader.h"

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

// Called on other threads with a step of a call: takes the call's mutex, runs the step, and goes
// on.
using Resume = std::function<void(std::function<void()> step)>;

// Tokenizes the document of `scoring` and calls `done` once: on this thread, or for a long text
// later, as a step. `resume` outlives the scoring. Errors of ReadPrompt.
void ReadDocument(Backend& backend, const std::shared_ptr<DocumentScoring>& scoring,
                  const Resume& resume, std::function<void(TokensOrStatus)> done);

// Hands a document to the engine. Errors of Engine::Score, a full queue with a delay after which to
// try again.
absl::StatusOr<std::shared_ptr<runtime::RequestStream>> StartScoring(Backend& backend,
                                                                     runtime::RequestBasics basics,
                                                                     const ScoringRules& rules,
                                                                     std::vector<int32_t> tokens);

// What the engine says next of `scoring`. Nothing: not yet, and `resume` makes a step as soon as
// there is something; or nothing was handed to the engine.
std::optional<runtime::Event> NextEvent(Backend& backend,
                                        const std::shared_ptr<DocumentScoring>& scoring,
                                        const Resume& resume);

v1::ComputePerplexityResponse DocumentScoreToProto(const Document& document,
                                                   const runtime::DocumentScore& score);

// In messages that keep the limit of their size.
std::vector<v1::ComputePerplexityResponse> TokenScoresToProto(const Document& document,
                                                              const runtime::ScoredTokens& scored);

}  // namespace scanserve::server
