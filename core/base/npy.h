// NumPy's .npy files, formats 1.0 to 3.0: vectors of integers and matrices of float32.
//
// The readers trust nothing: every length in a header is checked against the bytes that are there
// before memory is taken. The writers give byte for byte what numpy.save writes.
// Errors are INVALID_ARGUMENT with what was found and what was expected. Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/base/npy_header.h"

namespace scanserve::base {

// A matrix in row-major order.
struct FloatMatrix {
  int64_t rows = 0;
  int64_t columns = 0;
  std::vector<float> values;  // [rows, columns] float32, contiguous

  absl::Span<const float> row(int64_t index) const {
    return absl::MakeConstSpan(values).subspan(static_cast<size_t>(index * columns),
                                               static_cast<size_t>(columns));
  }
};

// One dimension, C order, integers of 1, 2, 4 or 8 bytes in either byte order, at most
// `max_entries` of them, and nothing behind them. Unsigned values past int64 are refused.
absl::StatusOr<std::vector<int64_t>> ParseNpyIntegers(absl::string_view npy, int64_t max_entries);

// Two dimensions, C order, float32 in either byte order, nothing behind it.
absl::StatusOr<FloatMatrix> ParseNpyFloatMatrix(absl::string_view npy);

// As ParseNpyFloatMatrix for a file of at most `max_bytes`, with ReadFile's errors; messages name
// the file.
absl::StatusOr<FloatMatrix> ReadNpyFloatMatrix(const std::string& path, int64_t max_bytes);

// numpy.save of an int64 vector (format 1.0, '<i8').
std::string FormatNpyIntegers(absl::Span<const int64_t> values);
std::string FormatNpyIntegers(absl::Span<const int32_t> values);

// numpy.save of a float32 matrix (format 1.0, '<f4', C order); `values` has rows * columns entries.
std::string FormatNpyFloatMatrix(absl::Span<const float> values, int64_t rows, int64_t columns);

}  // namespace scanserve::base
