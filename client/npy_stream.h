// Writes a float32 .npy file whose values arrive one after the other.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace scanserve::client {

// The file has its name only once Finish has returned OK: until then it is a neighbour with
// ".part" appended, which goes when the object goes. Byte for byte what numpy.save writes. Belongs
// to one thread. Errors are UNAVAILABLE with the path and the system's reason.
class NpyStream {
 public:
  static absl::StatusOr<std::unique_ptr<NpyStream>> Create(const std::string& path,
                                                           const std::vector<int64_t>& shape);
  ~NpyStream();
  NpyStream(const NpyStream&) = delete;
  NpyStream& operator=(const NpyStream&) = delete;

  // Little-endian float32 values in C order.
  absl::Status Append(absl::string_view values);
  // FAILED_PRECONDITION when fewer or more values came than the shape says.
  absl::Status Finish();

 private:
  NpyStream(std::string path, std::FILE* file, int64_t missing_bytes);
  absl::Status Failure(absl::string_view action) const;

  const std::string path_;
  const std::string part_path_;
  std::FILE* file_;
  int64_t missing_bytes_;
};

// The header of format 1.0 for an array of float32 in C order.
std::string NpyFloatHeader(const std::vector<int64_t>& shape);

}  // namespace scanserve::client
