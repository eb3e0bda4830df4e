// The key ring of sessions, as its file says at the moment.
#pragma once

#include <sys/stat.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/key_ring.h"
#include "core/base/mutex.h"

namespace scanserve::server {

// Thread-safe.
class SessionKeys {
 public:
  // What happens when there is no file.
  enum class IfMissing {
    kFail,
    // Makes one with a new key, readable by its owner alone.
    kMake,
  };

  // Reads the file. NOT_FOUND, INVALID_ARGUMENT or UNAVAILABLE name it and what is wrong with it.
  static absl::StatusOr<std::unique_ptr<SessionKeys>> Open(const std::string& path,
                                                           IfMissing if_missing);

  // The file is read again when it has changed since the last call; one that cannot be used is
  // logged once, and the last good ring stays. Looks at the disk, which is short.
  std::shared_ptr<const base::KeyRing> Current();

 private:
  // What tells one state of a file from another.
  struct Stamp {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    timespec changed{};

    bool operator==(const Stamp& other) const;
  };

  explicit SessionKeys(std::string path) : path_(std::move(path)) {}

  Stamp ReadStamp() const;
  absl::StatusOr<base::KeyRing> Read() const;

  const std::string path_;
  base::Mutex mutex_;
  Stamp stamp_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const base::KeyRing> ring_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace scanserve::server
