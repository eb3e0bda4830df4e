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

// The limit of the format's own library.
inline constexpr uint64_t kMaxHeaderBytes = 100'000'000;

// Views into `file`. INVALID_ARGUMENT, without the file's name, says what is wrong. The header's
// JSON takes some 20 times its bytes while it is read.
absl::StatusOr<TensorMap> ParseSafetensors(absl::Span<const std::byte> file,
                                           uint64_t max_header_bytes = kMaxHeaderBytes);

// Writes elements [begin, begin + count) of a float tensor to `out`, widened to float32.
void WidenToFloat(const TensorView& tensor, int64_t begin, int64_t count, float* out);

// "[512, 16]".
std::string ShapeText(absl::Span<const int64_t> shape);

}  // namespace scanserve::model
