// A file mapped for reading.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace scanserve::base {

// Immutable and thread-safe. A file that another process truncates while it is mapped ends this one
// with SIGBUS, so only what the operator installed is mapped; what clients send is read.
class MappedFile {
 public:
  // NOT_FOUND, PERMISSION_DENIED or UNAVAILABLE name the path. A folder or a device is
  // INVALID_ARGUMENT.
  static absl::StatusOr<std::unique_ptr<const MappedFile>> Open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  absl::Span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(absl::Span<const std::byte> bytes) : bytes_(bytes) {}

  const absl::Span<const std::byte> bytes_;
};

}  // namespace scanserve::base
