// Cuts a text file into documents, and these into parts of bounded size.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace scanserve::client {

enum class DocumentSplit {
  kBlankLine,  // documents stand between lines that hold nothing but spaces and tabs
  kLine,       // each line that is not blank is a document, without its line break
  kFile,       // the file is one document, as it is
};

// "blank-line", "line" or "file"; nothing for another text.
std::optional<DocumentSplit> ParseDocumentSplit(absl::string_view text);

struct DocumentPiece {
  std::string text;   // at most max_piece_bytes, cut between UTF-8 characters
  bool last = false;  // the document ends with it
  int64_t line = 0;   // of the file, from 1, at which the document begins
};

// Reads the file as it goes and holds little more than a piece of it. A document has no line break
// at its end, except under kFile; \r\n ends a line as \n does. A line of max_piece_bytes or more is
// never taken for blank. Belongs to one thread.
class DocumentReader {
 public:
  static constexpr size_t kDefaultPieceBytes = 256 << 10;

  // "-" is standard input. NOT_FOUND or UNAVAILABLE, with the path, when it cannot be opened.
  static absl::StatusOr<std::unique_ptr<DocumentReader>> Open(
      const std::string& path, DocumentSplit split, size_t max_piece_bytes = kDefaultPieceBytes);
  ~DocumentReader();

  // The next piece, nothing at the file's end; an empty file has no document. UNAVAILABLE when the
  // file cannot be read on.
  absl::StatusOr<std::optional<DocumentPiece>> Next();

  // Size of the file, 0 for what has none (a pipe), and bytes of it that are cut into pieces so
  // far.
  int64_t file_bytes() const { return file_bytes_; }
  int64_t bytes_cut() const { return bytes_read_ - static_cast<int64_t>(buffer_.size() - begin_); }

 private:
  // A line, or as much of a long one as fits into a piece.
  struct Segment {
    absl::string_view text;  // without its line break; valid until more is read
    absl::string_view line_break;
    bool begins_line = false;
    bool ends_line = false;
  };

  DocumentReader(std::string path, int descriptor, DocumentSplit split, size_t max_piece_bytes);

  absl::Status ReadMore();
  absl::StatusOr<std::optional<Segment>> NextSegment();
  absl::StatusOr<std::optional<DocumentPiece>> NextOfFile();
  absl::StatusOr<std::optional<DocumentPiece>> NextOfLines();
  DocumentPiece TakePiece(bool last);

  const std::string path_;
  const int descriptor_;
  const DocumentSplit split_;
  const size_t max_piece_bytes_;
  int64_t file_bytes_ = 0;
  int64_t bytes_read_ = 0;

  std::string buffer_;  // read, from begin_ on not yet cut
  size_t begin_ = 0;
  bool at_end_ = false;  // of the file
  bool in_line_ = false;
  int64_t line_ = 1;

  std::string pending_;  // of the document under way, not yet handed out; not empty while open_
  absl::string_view line_break_;  // that ended the last line of pending_
  bool open_ = false;             // a document is under way
  bool complete_ = false;         // and pending_ is its end
  int64_t first_line_ = 1;        // where it began
};

}  // namespace scanserve::client
