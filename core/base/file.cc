#include "core/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"

namespace scanserve::base {
namespace {

absl::Status WriteAll(int descriptor, absl::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(descriptor, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return UnavailableFromErrno("writing", path);
    content.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

// The owner and the rights of the file `path`, if there is one, for `descriptor`; a file that
// everybody may read is its owner's alone from now on.
absl::Status TakeRightsOf(const std::string& path, int descriptor) {
  struct stat old;
  if (::stat(path.c_str(), &old) != 0) return absl::OkStatus();
  const mode_t mode = (old.st_mode & S_IRWXO) != 0 ? 0600 : old.st_mode & 0770;
  if (::fchown(descriptor, old.st_uid, old.st_gid) != 0 || ::fchmod(descriptor, mode) != 0) {
    return UnavailableFromErrno("keeping the owner of", path);
  }
  return absl::OkStatus();
}

// Of what is to replace the file `replaced`.
absl::Status WriteAndSync(const std::string& path, absl::string_view content, Readers readers,
                          const std::string& replaced) {
  const mode_t mode = readers == Readers::kOwner ? 0600 : 0644;
  const FileDescriptor file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!file.valid()) return UnavailableFromErrno("creating", path);
  // What a crash left of another writing has the rights that it got then.
  if (readers == Readers::kOwner) {
    if (::fchmod(file.get(), mode) != 0) return UnavailableFromErrno("restricting", path);
    SCANSERVE_RETURN_IF_ERROR(TakeRightsOf(replaced, file.get()));
  }
  SCANSERVE_RETURN_IF_ERROR(WriteAll(file.get(), content, path));
  if (::fsync(file.get()) != 0) return UnavailableFromErrno("syncing", path);
  return absl::OkStatus();
}

// O_NONBLOCK: opening a FIFO that nobody writes must not wait.
absl::StatusOr<FileDescriptor> OpenForReading(const std::string& path) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.valid()) return file;
  if (errno == ENOENT || errno == ENOTDIR) {
    return absl::NotFoundError(absl::StrCat("no file ", path));
  }
  return UnavailableFromErrno("opening", path);
}

absl::StatusOr<int64_t> RegularFileSize(int descriptor, const std::string& path) {
  struct stat status;
  if (::fstat(descriptor, &status) != 0) return UnavailableFromErrno("looking at", path);
  if (!S_ISREG(status.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a regular file"));
  }
  return static_cast<int64_t>(status.st_size);
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

absl::Status InFile(absl::string_view path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

absl::Status UnavailableFromErrno(absl::string_view action, absl::string_view path) {
  const int error = errno;
  return absl::UnavailableError(absl::StrCat(action, " ", path, ": ", std::strerror(error)));
}

absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes) {
  SCANSERVE_ASSIGN_OR_RETURN(const FileDescriptor file, OpenForReading(path));
  return ReadOpenFile(file.get(), path, max_bytes);
}

absl::StatusOr<std::string> ReadOpenFile(int descriptor, const std::string& path,
                                         int64_t max_bytes) {
  SCANSERVE_ASSIGN_OR_RETURN(const int64_t size, RegularFileSize(descriptor, path));
  if (size > max_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " has ", size, " bytes, the limit is ", max_bytes));
  }
  std::string content(static_cast<size_t>(size), '\0');
  size_t filled = 0;
  while (filled < content.size()) {
    const ssize_t count = ::read(descriptor, content.data() + filled, content.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return UnavailableFromErrno("reading", path);
    if (count == 0) break;
    filled += static_cast<size_t>(count);
  }
  content.resize(filled);
  return content;
}

absl::Status WriteFileDurably(const std::string& path, absl::string_view content, Readers readers) {
  const std::string temporary = absl::StrCat(path, kTemporarySuffix);
  absl::Status status = WriteAndSync(temporary, content, readers, path);
  if (status.ok() && std::rename(temporary.c_str(), path.c_str()) != 0) {
    status = UnavailableFromErrno("renaming to", path);
  }
  if (!status.ok()) {
    ::unlink(temporary.c_str());
    return status;
  }
  return SyncFolder(std::filesystem::path(path).parent_path().string());
}

absl::Status SyncFolder(const std::string& folder) {
  const char* path = folder.empty() ? "." : folder.c_str();
  const FileDescriptor file(::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file.valid()) return UnavailableFromErrno("opening folder", folder);
  if (::fsync(file.get()) != 0) return UnavailableFromErrno("syncing folder", folder);
  return absl::OkStatus();
}

}  // namespace scanserve::base
