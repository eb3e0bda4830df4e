// Reading whole files with a limit, and writing files that a crash leaves old or new, never torn.
// Thread-safe: no state of their own.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace scanserve::base {

// Owns an open file descriptor and closes it. Movable; empty when it holds -1.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int descriptor) : descriptor_(descriptor) {}
  FileDescriptor(FileDescriptor&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~FileDescriptor();

  bool valid() const { return descriptor_ >= 0; }
  int get() const { return descriptor_; }

 private:
  int descriptor_ = -1;
};

// The content of a regular file of at most `max_bytes`. NOT_FOUND when there is none,
// INVALID_ARGUMENT when it is no regular file or larger (found before memory is taken),
// UNAVAILABLE when the system cannot read it.
absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes);
// The same of a file that is open for reading, whose `path` is for messages.
absl::StatusOr<std::string> ReadOpenFile(int descriptor, const std::string& path,
                                         int64_t max_bytes);

// Makes `content` the whole content of `path`, durably: writes a neighbour whose name ends in
// kTemporarySuffix, fsyncs it, renames it over `path` and fsyncs the folder. A crash at any point
// leaves the old or the new content, and perhaps the neighbour. UNAVAILABLE when the system cannot
// (disk full, read-only, gone); the old content then stands, unless only the folder's fsync failed.
// Two writers need a lock. kOwner: for the owner alone, or owner and rights as of the old content.
enum class Readers { kAsUmaskSays, kOwner };
absl::Status WriteFileDurably(const std::string& path, absl::string_view content,
                              Readers readers = Readers::kAsUmaskSays);
inline constexpr absl::string_view kTemporarySuffix = ".tmp~";

// Makes renames, creations and removals inside `folder` durable; empty is the current folder.
// UNAVAILABLE when it cannot.
absl::Status SyncFolder(const std::string& folder);

// `status` with `path` before its message: for errors found in what was read from there.
absl::Status InFile(absl::string_view path, const absl::Status& status);

// An UNAVAILABLE status that says what was being done (`action`), to what, and errno's text.
absl::Status UnavailableFromErrno(absl::string_view action, absl::string_view path);

}  // namespace scanserve::base
