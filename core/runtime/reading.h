// What a sequence reads next: a run of tokens in the order in which the scan takes them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace scanserve::model {
class SequenceState;
}

namespace scanserve::runtime {

// One pass over tokens. A prompt is one reading, each decoded token is one, the naturally read rest
// of a scored document is one.
//
// When an order applies to all layers, or to none, `tokens` stand in scan order and go through all
// layers together (why this is the same: docs/scan-orders.md). When it applies to some layers
// only, `tokens` stand in natural order and the engine works layer by layer, taking `layer_order`
// in the target layers.
struct Reading {
  std::vector<int32_t> tokens;
  // positions[k]: the natural position of tokens[k].
  std::vector<int64_t> positions;
  // The sequence's state is zeroed first.
  bool fresh_state = true;
  // What the sequence's state is set to first, unless it is zeroed; null leaves it as it is.
  std::shared_ptr<const model::SequenceState> initial_state;
  // For a subset of layers: the effective order, and which layers take it. Else empty.
  std::vector<int32_t> layer_order;
  std::vector<bool> is_target_layer;

  bool layer_by_layer() const { return !layer_order.empty(); }
  int64_t size() const { return static_cast<int64_t>(tokens.size()); }
};

struct AppliedScan;
struct GenerateRequest;

// The reading of a prompt that begins at natural position `begin`, with a fresh state, under
// `scan`.
Reading PromptReading(const AppliedScan& scan, int64_t num_layers,
                      const std::vector<int32_t>& document, int64_t begin, int64_t length);

// What a generation reads first: its prompt, or where it goes on from a session the session's
// pending tokens and then the prompt, in natural order from position 0, from the session's state.
Reading FirstReading(const GenerateRequest& request, int64_t num_layers);
int64_t FirstReadingTokens(const GenerateRequest& request);

}  // namespace scanserve::runtime
