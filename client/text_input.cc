#include "client/text_input.h"

#include "absl/strings/str_cat.h"
#include "client/document_reader.h"
#include "core/base/status_macros.h"

namespace scanserve::client {

absl::StatusOr<std::string> ReadTextInput(const std::string& path, int64_t max_bytes) {
  SCANSERVE_ASSIGN_OR_RETURN(const auto reader, DocumentReader::Open(path, DocumentSplit::kFile));
  std::string text;
  while (true) {
    SCANSERVE_ASSIGN_OR_RETURN(const auto piece, reader->Next());
    if (!piece) return text;
    text += piece->text;
    if (static_cast<int64_t>(text.size()) > max_bytes) {
      return absl::InvalidArgumentError(
          absl::StrCat(path == "-" ? "standard input" : path, ": more than ", max_bytes, " bytes"));
    }
  }
}

}  // namespace scanserve::client
