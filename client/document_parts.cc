#include "client/document_parts.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "scanserve/v1/inference_service.grpc.pb.h"

namespace scanserve::client {

absl::StatusOr<std::optional<v1::DocumentPart>> SeparateDocuments::Next() {
  SCANSERVE_ASSIGN_OR_RETURN(auto piece, reader_->Next());
  if (!piece) return std::nullopt;
  v1::DocumentPart part;
  part.set_document_id(absl::StrCat(number_));
  part.mutable_content()->set_text_bytes(std::move(piece->text));
  part.mutable_content()->set_replace_invalid(replace_invalid_);
  part.set_more(!piece->last);
  if (piece->last) ++number_;
  return part;
}

absl::Status JoinedDocuments::AppendDocument() {
  v1::TokenizeRequest request;
  std::string& text = *request.mutable_prompt()->mutable_text_bytes();
  request.mutable_prompt()->set_replace_invalid(replace_invalid_);
  bool last = false;
  while (!last) {
    SCANSERVE_ASSIGN_OR_RETURN(const auto piece, reader_->Next());
    if (!piece) {
      at_end_ = true;
      return absl::OkStatus();
    }
    text += piece->text;
    last = piece->last;
    if (text.size() > kMaxDocumentBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("the document at line ", piece->line, " is longer than ", kMaxDocumentBytes,
                       " bytes, the most that --join-with-eos can tokenize; split the file into "
                       "more documents"));
    }
  }
  ++documents_;
  SCANSERVE_ASSIGN_OR_RETURN(
      const auto response, UnaryCall(connection_, &v1::InferenceService::Stub::Tokenize, request));
  tokens_.push_back(eos_token_id_);
  tokens_.insert(tokens_.end(), response.token_ids().begin(), response.token_ids().end());
  return absl::OkStatus();
}

absl::StatusOr<std::optional<v1::DocumentPart>> JoinedDocuments::Next() {
  if (finished_) return std::nullopt;
  // One token more than a part shows that the part is not the last one.
  while (!at_end_ && tokens_.size() <= kPartTokens) {
    SCANSERVE_RETURN_IF_ERROR(AppendDocument());
    if (at_end_ && documents_ == 0) return absl::InvalidArgumentError("the file has no document");
    if (at_end_) tokens_.push_back(eos_token_id_);
  }
  const size_t size = std::min(tokens_.size(), kPartTokens);
  const auto end = tokens_.begin() + static_cast<std::ptrdiff_t>(size);
  v1::DocumentPart part;
  part.set_document_id("joined");
  part.mutable_content()->mutable_token_ids()->mutable_ids()->Add(tokens_.begin(), end);
  tokens_.erase(tokens_.begin(), end);
  finished_ = at_end_ && tokens_.empty();
  part.set_more(!finished_);
  tokens_sent_ += static_cast<int64_t>(size);
  return part;
}

}  // namespace scanserve::client
