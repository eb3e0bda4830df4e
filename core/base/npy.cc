#include "core/base/npy.h"

#include <bit>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/base/check.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"

namespace scanserve::base {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are copied as they lie");

// The array behind the header, when it has exactly the size that the header says.
absl::StatusOr<absl::string_view> ArrayBytes(absl::string_view npy, const NpyHeader& header) {
  const absl::string_view array = npy.substr(header.data_offset);
  uint64_t expected = static_cast<uint64_t>(header.item_bytes);
  for (const int64_t size : header.shape) {
    if (__builtin_mul_overflow(expected, static_cast<uint64_t>(size), &expected)) {
      return absl::InvalidArgumentError(".npy: the shape is larger than any file");
    }
  }
  if (array.size() != expected) {
    return absl::InvalidArgumentError(absl::StrCat(".npy: the shape says ", expected,
                                                   " bytes of data, the file has ", array.size()));
  }
  return array;
}

std::string TypeName(const NpyHeader& header) {
  return absl::StrFormat("%c%c%d", header.byte_order, header.kind, header.item_bytes);
}

absl::Status CheckLayout(const NpyHeader& header, size_t dimensions) {
  if (header.shape.size() != dimensions) {
    return absl::InvalidArgumentError(absl::StrCat(".npy: shape (",
                                                   absl::StrJoin(header.shape, ", "),
                                                   "), expected ", dimensions, " dimension(s)"));
  }
  if (header.fortran_order) {
    return absl::InvalidArgumentError(".npy: the array is in Fortran order, expected C order");
  }
  return absl::OkStatus();
}

absl::Status CheckIntegers(const NpyHeader& header, int64_t max_entries) {
  SCANSERVE_RETURN_IF_ERROR(CheckLayout(header, 1));
  const bool integers = (header.kind == 'i' || header.kind == 'u') && header.item_bytes <= 8 &&
                        std::has_single_bit(static_cast<uint64_t>(header.item_bytes));
  if (!integers) {
    return absl::InvalidArgumentError(
        absl::StrCat(".npy: type ", TypeName(header), ", expected integers of 1 to 8 bytes"));
  }
  if (header.shape[0] > max_entries) {
    return absl::InvalidArgumentError(
        absl::StrCat(".npy: ", header.shape[0], " entries, the limit is ", max_entries));
  }
  return absl::OkStatus();
}

uint64_t DecodeBits(const char* bytes, size_t width, bool big_endian) {
  uint64_t value = 0;
  for (size_t i = 0; i < width; ++i) {
    const size_t from_top = big_endian ? i : width - 1 - i;
    value = value << 8 | static_cast<uint8_t>(bytes[from_top]);
  }
  return value;
}

int64_t SignExtend(uint64_t value, size_t width) {
  const int unused_bits = static_cast<int>(64 - 8 * width);
  return static_cast<int64_t>(value << unused_bits) >> unused_bits;
}

template <typename T>
std::string FormatArray(std::string header, absl::Span<const T> values) {
  header.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  return header;
}

}  // namespace

absl::StatusOr<std::vector<int64_t>> ParseNpyIntegers(absl::string_view npy, int64_t max_entries) {
  SCANSERVE_ASSIGN_OR_RETURN(const NpyHeader header, ParseNpyHeader(npy));
  SCANSERVE_RETURN_IF_ERROR(CheckIntegers(header, max_entries));
  SCANSERVE_ASSIGN_OR_RETURN(const absl::string_view array, ArrayBytes(npy, header));
  const size_t width = static_cast<size_t>(header.item_bytes);
  std::vector<int64_t> values(static_cast<size_t>(header.shape[0]));
  for (size_t i = 0; i < values.size(); ++i) {
    const uint64_t bits = DecodeBits(array.data() + i * width, width, header.byte_order == '>');
    if (header.kind == 'u' && bits > uint64_t{std::numeric_limits<int64_t>::max()}) {
      return absl::InvalidArgumentError(
          absl::StrCat(".npy: entry ", i, " is ", bits, ", past what an int64 holds"));
    }
    values[i] = header.kind == 'u' ? static_cast<int64_t>(bits) : SignExtend(bits, width);
  }
  return values;
}

absl::StatusOr<FloatMatrix> ParseNpyFloatMatrix(absl::string_view npy) {
  SCANSERVE_ASSIGN_OR_RETURN(const NpyHeader header, ParseNpyHeader(npy));
  SCANSERVE_RETURN_IF_ERROR(CheckLayout(header, 2));
  if (header.kind != 'f' || header.item_bytes != 4) {
    return absl::InvalidArgumentError(
        absl::StrCat(".npy: type ", TypeName(header), ", expected float32"));
  }
  SCANSERVE_ASSIGN_OR_RETURN(const absl::string_view array, ArrayBytes(npy, header));
  FloatMatrix matrix{header.shape[0], header.shape[1], {}};
  matrix.values.resize(array.size() / sizeof(float));
  if (!array.empty()) std::memcpy(matrix.values.data(), array.data(), array.size());
  if (header.byte_order == '>') {
    for (float& value : matrix.values) {
      value = std::bit_cast<float>(__builtin_bswap32(std::bit_cast<uint32_t>(value)));
    }
  }
  return matrix;
}

absl::StatusOr<FloatMatrix> ReadNpyFloatMatrix(const std::string& path, int64_t max_bytes) {
  SCANSERVE_ASSIGN_OR_RETURN(const std::string npy, ReadFile(path, max_bytes));
  absl::StatusOr<FloatMatrix> matrix = ParseNpyFloatMatrix(npy);
  if (matrix.ok()) return matrix;
  return absl::Status(matrix.status().code(), absl::StrCat(path, ": ", matrix.status().message()));
}

std::string FormatNpyIntegers(absl::Span<const int64_t> values) {
  return FormatArray(FormatNpyHeader("<i8", absl::StrCat("(", values.size(), ",)")), values);
}

std::string FormatNpyIntegers(absl::Span<const int32_t> values) {
  const std::vector<int64_t> wide(values.begin(), values.end());
  return FormatNpyIntegers(absl::MakeConstSpan(wide));
}

std::string FormatNpyFloatMatrix(absl::Span<const float> values, int64_t rows, int64_t columns) {
  SCANSERVE_CHECK(static_cast<int64_t>(values.size()) == rows * columns);
  return FormatArray(FormatNpyHeader("<f4", absl::StrCat("(", rows, ", ", columns, ")")), values);
}

}  // namespace scanserve::base
