// Reads the safetensors format: an 8-byte little-endian header length, a JSON header that names
// each tensor's dtype, shape and byte range, then the data. Every length, offset and dtype is
// checked before it is used, so a truncated or lying file is refused and no memory is taken on its
// word.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace scanserve::model {

enum class DataType { kFloat32, kBFloat16, kFloat16, kOther };

// One tensor inside a file's bytes, which must outlive it.
struct TensorView {
  DataType type = DataType::kOther;
  // As the file writes it, e.g. "BF16".
  std::string type_name;
  std::vector<int64_t> shape;
  // Row-major, little endian, possibly unaligned.
  absl::Span<const std::byte> bytes;

  // Elements; the empty shape has one.
  int64_t size() const;
};

using TensorMap = std::map<std::string, TensorView>;

// Views into `file`. INVALID_ARGUMENT, without the file's name, says what is wrong.
absl::StatusOr<TensorMap> ParseSafetensors(absl::Span<const std::byte> file);

// Writes elements [begin, begin + count) of a float tensor to `out`, widened to float32.
void WidenToFloat(const TensorView& tensor, int64_t begin, int64_t count, float* out);

// "[512, 16]".
std::string ShapeText(absl::Span<const int64_t> shape);

}  // namespace scanserve::model
