#include "server/document_queue.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"

namespace scanserve::server {
namespace {

constexpr size_t kWaitingDocuments = 64;
constexpr int64_t kWaitingBytes = 1 << 20;

}  // namespace

absl::Status DocumentQueue::Add(v1::DocumentPart part) {
  if (ended_) return absl::OkStatus();
  SCANSERVE_ASSIGN_OR_RETURN(std::optional<Document> document, assembler_.Add(std::move(part)));
  if (!document) return absl::OkStatus();
  waiting_bytes_ += ContentBytes(document->content);
  waiting_.push_back(*std::move(document));
  return absl::OkStatus();
}

absl::Status DocumentQueue::End() {
  if (std::exchange(ended_, true) || !assembler_.incomplete()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("document ", assembler_.next_index(), ": its last part did not come"));
}

int64_t DocumentQueue::Drop() {
  const auto dropped = static_cast<int64_t>(waiting_.size()) + (assembler_.incomplete() ? 1 : 0);
  waiting_.clear();
  waiting_bytes_ = 0;
  ended_ = true;
  return dropped;
}

bool DocumentQueue::WantsPart() const {
  return !ended_ && waiting_.size() < kWaitingDocuments && waiting_bytes_ < kWaitingBytes;
}

Document DocumentQueue::Pop() {
  Document document = std::move(waiting_.front());
  waiting_.pop_front();
  waiting_bytes_ -= ContentBytes(document.content);
  return document;
}

}  // namespace scanserve::server
