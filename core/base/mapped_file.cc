#include "core/base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace scanserve::base {

absl::StatusOr<std::unique_ptr<const MappedFile>> MappedFile::Open(const std::string& path) {
  // O_NONBLOCK: opening a FIFO must not wait for its writer.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  struct stat status = {};
  void* data = nullptr;
  absl::Status result;
  if (fstat(descriptor, &status) != 0) {
    result = absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path));
  } else if (!S_ISREG(status.st_mode)) {
    result = absl::InvalidArgumentError(absl::StrCat(path, ": not a regular file"));
  } else if (status.st_size > 0) {
    data =
        mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (data == MAP_FAILED) result = absl::ErrnoToStatus(errno, absl::StrCat("cannot map ", path));
  }
  close(descriptor);
  if (!result.ok()) return result;
  return std::unique_ptr<const MappedFile>(new MappedFile(absl::MakeConstSpan(
      static_cast<const std::byte*>(data), static_cast<size_t>(status.st_size))));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace scanserve::base
