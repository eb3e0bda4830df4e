// The documents that a client has sent in parts and that nobody has begun yet.
#pragma once

#include <cstdint>
#include <deque>

#include "absl/status/status.h"
#include "server/document_assembler.h"

namespace scanserve::server {

// Not thread-safe.
class DocumentQueue {
 public:
  explicit DocumentQueue(int64_t max_document_bytes) : assembler_(max_document_bytes) {}

  // Errors of DocumentAssembler::Add.
  absl::Status Add(v1::DocumentPart part);
  // No part comes any more. INVALID_ARGUMENT when the last part of a document did not come.
  absl::Status End();
  // Takes all documents away; returns how many there were, one whose last part has not come among
  // them. What was on its way and comes later is ignored.
  int64_t Drop();

  // Documents are read ahead, so that a client's `stop` is seen while they wait.
  bool WantsPart() const;
  bool empty() const { return waiting_.empty(); }
  // Whether no document waits and none will.
  bool exhausted() const { return ended_ && waiting_.empty(); }
  // Not when it is empty.
  int64_t next_index() const { return waiting_.front().index; }
  Document Pop();

 private:
  DocumentAssembler assembler_;
  bool ended_ = false;
  std::deque<Document> waiting_;
  int64_t waiting_bytes_ = 0;
};

}  // namespace scanserve::server
