#include "client/document_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"

namespace scanserve::client {
namespace {

constexpr size_t kReadBytes = 64 << 10;
// Room for the line break that goes before a line.
constexpr size_t kLineBreakBytes = 2;

bool IsBlank(absl::string_view line) {
  return line.find_first_not_of(" \t") == absl::string_view::npos;
}

// The largest length <= `limit` that cuts `text` before a character.
size_t CharacterBoundary(absl::string_view text, size_t limit) {
  constexpr size_t kMaxContinuations = 3;
  for (size_t cut = limit; cut > 0 && limit - cut <= kMaxContinuations; --cut) {
    if ((static_cast<unsigned char>(text[cut]) & 0xC0) != 0x80) return cut;
  }
  return limit;
}

}  // namespace

std::optional<DocumentSplit> ParseDocumentSplit(absl::string_view text) {
  if (text == "blank-line") return DocumentSplit::kBlankLine;
  if (text == "line") return DocumentSplit::kLine;
  if (text == "file") return DocumentSplit::kFile;
  return std::nullopt;
}

absl::StatusOr<std::unique_ptr<DocumentReader>> DocumentReader::Open(const std::string& path,
                                                                     DocumentSplit split,
                                                                     size_t max_piece_bytes) {
  const int descriptor = path == "-" ? dup(STDIN_FILENO) : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    const std::string sentence = absl::StrCat("cannot open ", path, ": ", std::strerror(errno));
    return errno == ENOENT ? absl::NotFoundError(sentence) : absl::UnavailableError(sentence);
  }
  return std::unique_ptr<DocumentReader>(new DocumentReader(path == "-" ? "standard input" : path,
                                                            descriptor, split, max_piece_bytes));
}

DocumentReader::DocumentReader(std::string path, int descriptor, DocumentSplit split,
                               size_t max_piece_bytes)
    : path_(std::move(path)),
      descriptor_(descriptor),
      split_(split),
      max_piece_bytes_(std::max<size_t>(max_piece_bytes, 8)) {
  struct stat status;
  if (fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode)) file_bytes_ = status.st_size;
}

DocumentReader::~DocumentReader() { close(descriptor_); }

absl::StatusOr<std::optional<DocumentPiece>> DocumentReader::Next() {
  return split_ == DocumentSplit::kFile ? NextOfFile() : NextOfLines();
}

absl::Status DocumentReader::ReadMore() {
  buffer_.erase(0, begin_);
  begin_ = 0;
  const size_t kept = buffer_.size();
  buffer_.resize(kept + kReadBytes);
  const ssize_t size = read(descriptor_, buffer_.data() + kept, kReadBytes);
  const int error = errno;
  buffer_.resize(kept + static_cast<size_t>(std::max<ssize_t>(size, 0)));
  if (size < 0 && error == EINTR) return absl::CancelledError("interrupted");
  if (size < 0) {
    return absl::UnavailableError(absl::StrCat("cannot read ", path_, ": ", std::strerror(error)));
  }
  at_end_ = size == 0;
  bytes_read_ += size;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<DocumentReader::Segment>> DocumentReader::NextSegment() {
  const size_t limit = max_piece_bytes_ - kLineBreakBytes;
  while (true) {
    const absl::string_view rest = absl::string_view(buffer_).substr(begin_);
    Segment segment;
    segment.begins_line = !in_line_;
    const size_t line_end = rest.substr(0, limit + 1).find('\n');
    if (line_end != absl::string_view::npos) {
      const size_t carriage_return = line_end > 0 && rest[line_end - 1] == '\r' ? 1 : 0;
      segment.text = rest.substr(0, line_end - carriage_return);
      segment.line_break = carriage_return == 1 ? "\r\n" : "\n";
      segment.ends_line = true;
      begin_ += line_end + 1;
    } else if (rest.size() > limit) {
      size_t cut = CharacterBoundary(rest, limit);
      if (rest[cut - 1] == '\r') --cut;
      segment.text = rest.substr(0, cut);
      begin_ += cut;
    } else if (!at_end_) {
      SCANSERVE_RETURN_IF_ERROR(ReadMore());
      continue;
    } else if (rest.empty()) {
      return std::nullopt;
    } else {
      segment.text = rest;
      segment.ends_line = true;
      begin_ += rest.size();
    }
    in_line_ = !segment.ends_line;
    if (segment.ends_line) ++line_;
    return segment;
  }
}

absl::StatusOr<std::optional<DocumentPiece>> DocumentReader::NextOfLines() {
  while (!complete_) {
    const int64_t line = line_;
    SCANSERVE_ASSIGN_OR_RETURN(const auto segment, NextSegment());
    if (!segment) {
      if (!open_) return std::nullopt;
      break;
    }
    if (segment->begins_line && segment->ends_line && IsBlank(segment->text)) {
      if (open_) break;
      continue;
    }
    if (!std::exchange(open_, true)) first_line_ = line;
    complete_ = split_ == DocumentSplit::kLine && segment->ends_line;
    const size_t size = pending_.size() + line_break_.size() + segment->text.size();
    std::optional<DocumentPiece> full;
    if (size > max_piece_bytes_) full = TakePiece(false);
    absl::StrAppend(&pending_, line_break_, segment->text);
    line_break_ = segment->line_break;
    if (full) return full;
  }
  return TakePiece(true);
}

absl::StatusOr<std::optional<DocumentPiece>> DocumentReader::NextOfFile() {
  while (!at_end_ && buffer_.size() - begin_ <= max_piece_bytes_) {
    SCANSERVE_RETURN_IF_ERROR(ReadMore());
  }
  const absl::string_view rest = absl::string_view(buffer_).substr(begin_);
  if (rest.empty()) return std::nullopt;
  const bool last = rest.size() <= max_piece_bytes_;
  const size_t size = last ? rest.size() : CharacterBoundary(rest, max_piece_bytes_);
  DocumentPiece piece = {.text = std::string(rest.substr(0, size)), .last = last, .line = 1};
  begin_ += size;
  return piece;
}

DocumentPiece DocumentReader::TakePiece(bool last) {
  DocumentPiece piece = {.text = std::exchange(pending_, ""), .last = last, .line = first_line_};
  if (last) {
    line_break_ = "";
    open_ = false;
    complete_ = false;
  }
  return piece;
}

}  // namespace scanserve::client
