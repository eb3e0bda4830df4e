#include "core/store/audit_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/store/audit_line.h"

namespace scanserve::store {
namespace {

constexpr int64_t kMaxFileBytes = 64 << 20;

// Takes one line off the front of `text`, and returns it without its end.
absl::string_view TakeLine(absl::string_view& text) {
  const absl::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

bool EndsInsideALine(int descriptor, off_t size) {
  char last = '\n';
  return size > 0 && (::pread(descriptor, &last, 1, size - 1) != 1 || last != '\n');
}

absl::Status WriteDurably(int descriptor, const std::string& lines, const std::string& path) {
  // A write that is cut short sets no errno; the disk is full.
  errno = ENOSPC;
  const ssize_t written = ::write(descriptor, lines.data(), lines.size());
  if (written != static_cast<ssize_t>(lines.size())) {
    return base::UnavailableFromErrno("writing", path);
  }
  if (::fsync(descriptor) != 0) return base::UnavailableFromErrno("syncing", path);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AuditFileContent> ReadAuditFile(const std::string& path) {
  SCANSERVE_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(path, kMaxFileBytes));
  AuditFileContent content;
  for (absl::string_view rest = text; !rest.empty();) {
    absl::StatusOr<AuditRecord> record = ParseAuditLine(TakeLine(rest));
    if (record.ok()) {
      content.records.push_back(*std::move(record));
      content.damaged_at_end = 0;
    } else {
      ++content.damaged_lines;
      ++content.damaged_at_end;
    }
  }
  return content;
}

absl::Status AppendToAuditFile(const std::string& path, absl::Span<const AuditRecord> records) {
  const base::FileDescriptor file(
      ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644));
  struct stat before;
  if (!file.valid() || ::fstat(file.get(), &before) != 0) {
    return base::UnavailableFromErrno("opening", path);
  }
  std::string lines = EndsInsideALine(file.get(), before.st_size) ? "\n" : "";
  for (const AuditRecord& record : records) absl::StrAppend(&lines, AuditLine(record), "\n");
  const absl::Status written = WriteDurably(file.get(), lines, path);
  if (!written.ok()) {
    // What stays where this fails too is skipped by readers.
    (void)!::ftruncate(file.get(), before.st_size);
    return written;
  }
  if (before.st_size > 0) return absl::OkStatus();
  return base::SyncFolder(std::filesystem::path(path).parent_path().string());
}

}  // namespace scanserve::store
