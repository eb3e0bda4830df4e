#include "server/document_assembler.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/field_checks.h"

namespace scanserve::server {
namespace {

constexpr int64_t kMaxIdBytes = 64;

}  // namespace

int64_t ContentBytes(const v1::Prompt& content) {
  return static_cast<int64_t>(content.text().size() + content.text_bytes().size() +
                              static_cast<size_t>(content.token_ids().ids_size()) *
                                  sizeof(int32_t));
}

absl::StatusOr<std::optional<Document>> DocumentAssembler::Add(v1::DocumentPart part) {
  const std::string field = absl::StrCat("document ", next_index_);
  SCANSERVE_RETURN_IF_ERROR(CheckAtMost(absl::StrCat(field, ": document_id"),
                                        static_cast<int64_t>(part.document_id().size()),
                                        kMaxIdBytes, "bytes"));
  SCANSERVE_RETURN_IF_ERROR(CheckAtMost(absl::StrCat(field, ": group"),
                                        static_cast<int64_t>(part.group().size()), kMaxIdBytes,
                                        "bytes"));
  if (part.content().prompt_case() == v1::Prompt::PROMPT_NOT_SET) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ": none of text, text_bytes and token_ids is set"));
  }
  const bool more = part.more();
  if (document_) {
    SCANSERVE_RETURN_IF_ERROR(Append(part));
  } else {
    document_.emplace();
    document_->id = part.document_id();
    document_->group = part.group();
    document_->index = next_index_;
    document_->content = std::move(*part.mutable_content());
  }
  SCANSERVE_RETURN_IF_ERROR(CheckAtMost(field, ContentBytes(document_->content), max_bytes_,
                                        "bytes of text (a token id counts 4)"));
  if (more) return std::optional<Document>();
  ++next_index_;
  return std::exchange(document_, std::nullopt);
}

absl::Status DocumentAssembler::Append(const v1::DocumentPart& part) {
  v1::Prompt& content = document_->content;
  if (part.document_id() != document_->id || part.group() != document_->group) {
    return absl::InvalidArgumentError(absl::StrCat(
        "document ", next_index_, ": another document_id or group before the part without `more`"));
  }
  if (part.content().prompt_case() != content.prompt_case()) {
    return absl::InvalidArgumentError(
        absl::StrCat("document ", next_index_, ": its parts mix text, text_bytes and token_ids"));
  }
  if (part.content().replace_invalid()) content.set_replace_invalid(true);
  if (content.has_text()) content.mutable_text()->append(part.content().text());
  if (content.has_text_bytes()) content.mutable_text_bytes()->append(part.content().text_bytes());
  if (content.has_token_ids()) {
    content.mutable_token_ids()->MergeFrom(part.content().token_ids());
  }
  return absl::OkStatus();
}

}  // namespace scanserve::server
