// The engine's events of a generation as messages.
#pragma once

#include "core/model/tokenizer/tokenizer.h"
#include "core/runtime/request.h"
#include "scanserve/v1/inference_service.pb.h"

namespace scanserve::server {

// `tokenizer` gives the bytes of tokens with log probabilities.
v1::GenerateDelta DeltaToProto(runtime::Delta delta, const model::Tokenizer& tokenizer);
v1::GenerateFinished FinishedToProto(const runtime::Finished& finished);

}  // namespace scanserve::server
