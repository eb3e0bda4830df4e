#include "core/runtime/reading.h"

#include "core/order/scan_order.h"
#include "core/runtime/request.h"
#include "core/runtime/session.h"

namespace scanserve::runtime {

Reading PromptReading(const AppliedScan& scan, int64_t num_layers,
                      const std::vector<int32_t>& document, int64_t begin, int64_t length) {
  const bool subset = scan.order != nullptr && !scan.target_layers.empty() &&
                      static_cast<int64_t>(scan.target_layers.size()) < num_layers;
  const std::vector<int32_t> effective =
      order::EffectiveOrder(scan.order.get(), length, scan.readout);
  Reading reading;
  reading.tokens.reserve(static_cast<size_t>(length));
  reading.positions.reserve(static_cast<size_t>(length));
  for (int64_t k = 0; k < length; ++k) {
    const int64_t natural = subset ? k : effective[static_cast<size_t>(k)];
    reading.tokens.push_back(document[static_cast<size_t>(begin + natural)]);
    reading.positions.push_back(begin + natural);
  }
  if (subset) {
    reading.layer_order = effective;
    reading.is_target_layer.resize(static_cast<size_t>(num_layers));
    for (const int32_t layer : scan.target_layers) {
      reading.is_target_layer[static_cast<size_t>(layer)] = true;
    }
  }
  return reading;
}

Reading FirstReading(const GenerateRequest& request, int64_t num_layers) {
  const int64_t tokens = FirstReadingTokens(request);
  if (request.session == nullptr) {
    return PromptReading(request.basics.scan, num_layers, request.prompt, 0, tokens);
  }
  Reading reading;
  reading.tokens = request.session->pending;
  reading.tokens.insert(reading.tokens.end(), request.prompt.begin(), request.prompt.end());
  for (int64_t position = 0; position < tokens; ++position) reading.positions.push_back(position);
  reading.fresh_state = false;
  reading.initial_state = request.session->state;
  return reading;
}

int64_t FirstReadingTokens(const GenerateRequest& request) {
  const size_t pending = request.session == nullptr ? 0 : request.session->pending.size();
  return static_cast<int64_t>(pending + request.prompt.size());
}

}  // namespace scanserve::runtime
