#include "server/hidden_state_chunks.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace scanserve::server {
namespace {

static_assert(std::endian::native == std::endian::little, "chunks are copied as they lie");

int64_t ValueBytes(v1::HiddenStateType type) {
  return type == v1::HIDDEN_STATE_TYPE_BFLOAT16 ? sizeof(uint16_t) : sizeof(float);
}

std::string ToBytes(const float* values, int64_t count, v1::HiddenStateType type) {
  if (type != v1::HIDDEN_STATE_TYPE_BFLOAT16) {
    return std::string(reinterpret_cast<const char*>(values),
                       static_cast<size_t>(count) * sizeof(float));
  }
  std::string bytes(static_cast<size_t>(count) * sizeof(uint16_t), '\0');
  for (int64_t i = 0; i < count; ++i) {
    const uint16_t rounded = RoundToBfloat16(values[i]);
    bytes[static_cast<size_t>(2 * i)] = static_cast<char>(rounded & 0xFF);
    bytes[static_cast<size_t>(2 * i + 1)] = static_cast<char>(rounded >> 8);
  }
  return bytes;
}

}  // namespace

uint16_t RoundToBfloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  // Rounding could carry a NaN's payload over into infinity.
  if (std::isnan(value)) return static_cast<uint16_t>((bits >> 16) | 0x40);
  const uint32_t last_kept_bit = (bits >> 16) & 1;
  return static_cast<uint16_t>((bits + 0x7FFF + last_kept_bit) >> 16);
}

HiddenStateChunks::HiddenStateChunks(HiddenStateShape shape,
                                     std::shared_ptr<const std::vector<float>> values,
                                     int64_t max_bytes)
    : shape_(std::move(shape)),
      values_(std::move(values)),
      rows_per_chunk_(
          std::max<int64_t>(1, max_bytes / (shape_.hidden_size * ValueBytes(shape_.type)))) {}

bool HiddenStateChunks::Next(v1::HiddenStatesChunk* chunk) {
  if (matrix_ == shape_.matrices()) return false;
  const int64_t rows = std::min(rows_per_chunk_, shape_.rows - row_);
  if (!shape_.layers.empty()) chunk->set_layer(shape_.layers[static_cast<size_t>(matrix_)]);
  chunk->set_begin_position(shape_.begin_position + row_);
  chunk->set_rows(rows);
  const float* first = values_->data() + (matrix_ * shape_.rows + row_) * shape_.hidden_size;
  chunk->set_data(ToBytes(first, rows * shape_.hidden_size, shape_.type));
  row_ += rows;
  if (row_ == shape_.rows) {
    row_ = 0;
    ++matrix_;
  }
  return true;
}

}  // namespace scanserve::server
