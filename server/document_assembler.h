// Joins the parts in which the documents of a call come.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "scanserve/v1/inference_service.pb.h"

namespace scanserve::server {

struct Document {
  std::string id;
  // Empty: a group of its own.
  std::string group;
  // From 0, in the order in which the client sent them.
  int64_t index = 0;
  v1::Prompt content;
};

// Bytes that a document's content takes: of its text or its token ids.
int64_t ContentBytes(const v1::Prompt& content);

// Not thread-safe.
class DocumentAssembler {
 public:
  explicit DocumentAssembler(int64_t max_document_bytes) : max_bytes_(max_document_bytes) {}

  // The document that `part` ends, if it does. INVALID_ARGUMENT when id or group is longer
  // than 64 bytes or changes within a document, the kind of content changes or is not set, or the
  // document grows too long.
  absl::StatusOr<std::optional<Document>> Add(v1::DocumentPart part);

  // Whether parts of a document have come, but not its last one.
  bool incomplete() const { return document_.has_value(); }
  int64_t next_index() const { return next_index_; }

 private:
  absl::Status Append(const v1::DocumentPart& part);

  const int64_t max_bytes_;
  int64_t next_index_ = 0;
  std::optional<Document> document_;
};

}  // namespace scanserve::server
