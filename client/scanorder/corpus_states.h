// Hidden states of a corpus, as an order is computed from: under identity, of one layer, with one
// adapter.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "client/connection.h"
#include "client/progress_bar.h"
#include "client/scanorder/corpus.h"
#include "core/base/npy.h"
#include "scanserve/v1/scan.pb.h"

namespace scanserve::client {

struct ExtractionPlan {
  int64_t max_tokens = 256;  // of each document
  // Whose mixer's input is taken, 0-based; unset is the last layer.
  std::optional<int32_t> layer;
  // Unset is the base model.
  std::optional<v1::AdapterRef> adapter;
};

struct CorpusStates {
  base::FloatMatrix states;  // [tokens of all documents, hidden size] float32, in order
  v1::InForce in_force;      // the same for all documents
  int32_t layer = 0;
};

// FAILED_PRECONDITION when an answer was not made under identity, with the adapter that was asked
// for, or with the same model as the ones before; RESOURCE_EXHAUSTED past kMaxStatesBytes.
absl::StatusOr<CorpusStates> ExtractCorpus(Connection& connection, const Corpus& corpus,
                                           const ExtractionPlan& plan, ProgressBar& bar);

// The check of one answer; `before` is unset for the first.
absl::Status CheckInForce(const v1::InForce& in_force, const ExtractionPlan& plan,
                          const v1::InForce* before);

}  // namespace scanserve::client
