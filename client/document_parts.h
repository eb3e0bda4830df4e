// The documents of a text file as the parts that ComputePerplexity takes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/connection.h"
#include "client/document_reader.h"
#include "scanserve/v1/inference_service.pb.h"

namespace scanserve::client {

// Each document for itself, as text; its id is its number in the file, from 1. One thread.
class SeparateDocuments {
 public:
  SeparateDocuments(std::unique_ptr<DocumentReader> reader, bool replace_invalid)
      : reader_(std::move(reader)), replace_invalid_(replace_invalid) {}

  absl::StatusOr<std::optional<v1::DocumentPart>> Next();
  int64_t bytes_cut() const { return reader_->bytes_cut(); }

 private:
  const std::unique_ptr<DocumentReader> reader_;
  const bool replace_invalid_;
  int64_t number_ = 1;
};

// All documents as one stream of tokens, as models are trained on them: the end-of-text token
// before each document and at the end. Each document is tokenized apart, by the server, and must be
// no longer than kMaxDocumentBytes. One thread; memory is bounded by one document.
class JoinedDocuments {
 public:
  static constexpr size_t kMaxDocumentBytes = 1 << 20;  // what Tokenize takes
  static constexpr size_t kPartTokens = 16'384;

  JoinedDocuments(Connection& connection, std::unique_ptr<DocumentReader> reader,
                  bool replace_invalid, int32_t eos_token_id)
      : connection_(connection),
        reader_(std::move(reader)),
        replace_invalid_(replace_invalid),
        eos_token_id_(eos_token_id) {}

  // INVALID_ARGUMENT for a document that is too long and for a file without documents.
  absl::StatusOr<std::optional<v1::DocumentPart>> Next();
  int64_t tokens_sent() const { return tokens_sent_; }

 private:
  absl::Status AppendDocument();

  Connection& connection_;
  const std::unique_ptr<DocumentReader> reader_;
  const bool replace_invalid_;
  const int32_t eos_token_id_;
  std::vector<int32_t> tokens_;  // not yet sent
  bool at_end_ = false;          // of the file
  bool finished_ = false;
  int64_t documents_ = 0;
  int64_t tokens_sent_ = 0;
};

}  // namespace scanserve::client
