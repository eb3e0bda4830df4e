#include "core/base/confined_folder.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"

namespace scanserve::base {
namespace {

absl::Status RefusedOpen(int error, const std::string& path) {
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(absl::StrCat("no file ", path));
    case ENOTDIR:
      return absl::InvalidArgumentError(absl::StrCat(path, " is not a folder"));
    case ENXIO:  // a socket
      return absl::InvalidArgumentError(absl::StrCat(path, " is not a regular file"));
    case ELOOP:
      return absl::InvalidArgumentError(absl::StrCat(path, " is a symbolic link"));
    case EXDEV:
      return absl::InvalidArgumentError(absl::StrCat(path, " leads out of its folder"));
    default:
      errno = error;
      return UnavailableFromErrno("opening", path);
  }
}

}  // namespace

absl::StatusOr<ConfinedFolder> ConfinedFolder::Open(const std::string& path) {
  FileDescriptor folder(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return UnavailableFromErrno("opening folder", path);
  return ConfinedFolder(std::move(folder), "");
}

absl::StatusOr<FileDescriptor> ConfinedFolder::OpenBelow(const std::string& name, int flags) const {
  open_how how = {};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  FileDescriptor file(
      static_cast<int>(::syscall(SYS_openat2, folder_.get(), name.c_str(), &how, sizeof(how))));
  if (!file.valid()) return RefusedOpen(errno, way_ + name);
  return file;
}

absl::StatusOr<ConfinedFolder> ConfinedFolder::OpenFolder(const std::string& name) const {
  SCANSERVE_ASSIGN_OR_RETURN(FileDescriptor folder, OpenBelow(name, O_PATH | O_DIRECTORY));
  return ConfinedFolder(std::move(folder), absl::StrCat(way_, name, "/"));
}

absl::StatusOr<std::string> ConfinedFolder::ReadFile(const std::string& name,
                                                     int64_t max_bytes) const {
  // O_NONBLOCK: opening a FIFO that nobody writes must not wait.
  SCANSERVE_ASSIGN_OR_RETURN(const FileDescriptor file, OpenBelow(name, O_RDONLY | O_NONBLOCK));
  return ReadOpenFile(file.get(), way_ + name, max_bytes);
}

}  // namespace scanserve::base
