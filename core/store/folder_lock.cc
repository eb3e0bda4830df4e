#include "core/store/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace scanserve::store {

absl::StatusOr<base::FileDescriptor> LockFolder(const std::string& folder) {
  const std::string path = absl::StrCat(folder, "/LOCK");
  base::FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!file.valid()) return base::UnavailableFromErrno("opening", path);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return file;
  if (errno != EWOULDBLOCK) return base::UnavailableFromErrno("locking", path);
  return absl::FailedPreconditionError(
      absl::StrCat("store ", folder, " is in use by another server"));
}

}  // namespace scanserve::store
