// Hidden states cut into messages of bounded size.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "scanserve/v1/inference_service.pb.h"

namespace scanserve::server {

// What was asked for: matrices of `rows` rows, one for each layer, or a single one without layer.
struct HiddenStateShape {
  std::vector<int32_t> layers;
  int64_t begin_position = 0;
  int64_t rows = 0;
  int64_t hidden_size = 0;
  v1::HiddenStateType type = v1::HIDDEN_STATE_TYPE_FLOAT32;

  int64_t matrices() const { return layers.empty() ? 1 : static_cast<int64_t>(layers.size()); }
};

// The nearest bfloat16, ties to even; NaN stays NaN.
uint16_t RoundToBfloat16(float value);

// Walks over the matrices layer by layer, rows ascending. Not thread-safe.
class HiddenStateChunks {
 public:
  // `values`: [matrices, rows, hidden size]. A row fits into `max_bytes`.
  HiddenStateChunks(HiddenStateShape shape, std::shared_ptr<const std::vector<float>> values,
                    int64_t max_bytes);

  // False when all is said.
  bool Next(v1::HiddenStatesChunk* chunk);

 private:
  const HiddenStateShape shape_;
  const std::shared_ptr<const std::vector<float>> values_;
  const int64_t rows_per_chunk_;
  int64_t matrix_ = 0;
  int64_t row_ = 0;
};

}  // namespace scanserve::server
