// The header of NumPy's .npy files, formats 1.0 to 3.0: what stands before the array.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace scanserve::base {

// What a header says of the array behind it.
struct NpyHeader {
  char byte_order = '<';  // '<' little, '>' big, '|' does not matter (one byte)
  char kind = 'i';        // 'i' signed, 'u' unsigned, 'f' floating point, as NumPy names them
  int64_t item_bytes = 0;
  bool fortran_order = false;
  std::vector<int64_t> shape;
  size_t data_offset = 0;  // where the array starts
};

// Reads the header alone; the array behind it may be longer or shorter than it says.
// `bytes` needs to hold only the start of the file up to the header's end.
absl::StatusOr<NpyHeader> ParseNpyHeader(absl::string_view bytes);

// The header that numpy.save writes (format 1.0) for an array in C order of a type like "<f4" and a
// shape as Python prints it.
std::string FormatNpyHeader(absl::string_view type, absl::string_view shape);

}  // namespace scanserve::base
