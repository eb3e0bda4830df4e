// Sessions in files: what `scanctl generate` brings back to a server, and what it keeps.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scanserve/v1/inference_service.pb.h"

namespace scanserve::client {

// No server makes or takes larger ones.
inline constexpr int64_t kMaxSessionBytes = int64_t{64} << 20;

// The session in a file. NOT_FOUND, INVALID_ARGUMENT or UNAVAILABLE name it and what is wrong.
absl::StatusOr<std::string> ReadSession(const std::string& path);

// Puts a session together from its chunks. Not thread-safe.
class ReceivedSession {
 public:
  // DATA_LOSS when the server sends more than it said, or than a session may have.
  absl::Status Add(const v1::SessionChunk& chunk);

  // Makes it the content of a file that its owner alone may read. DATA_LOSS when it is not whole.
  absl::Status Write(const std::string& path) const;

  int64_t bytes() const { return static_cast<int64_t>(data_.size()); }

 private:
  std::string data_;
  int64_t total_bytes_ = 0;
};

}  // namespace scanserve::client
