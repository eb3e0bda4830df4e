// Text to token ids and back, from a Hugging Face tokenizer.json: byte-level BPE as GPT-2 and
// GPT-NeoX use it. Ids and decoded text equal those of the `tokenizers` library.
//
// Accepted: normalizer null, NFC, NFD, NFKC, NFKD or a Sequence of them; added tokens with all
// flags; pre-tokenizer ByteLevel, or a Sequence of Split, Digits and ByteLevel; model BPE; decoder
// ByteLevel. Text is tokenized as it is: post_processor, truncation and padding are not applied.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace scanserve::model {

// Immutable and thread-safe.
class Tokenizer {
 public:
  // INVALID_ARGUMENT, saying where in the file, for anything malformed or not accepted (above).
  static absl::StatusOr<std::unique_ptr<const Tokenizer>> FromJson(std::string_view json);
  // A file of at most 32 MiB. Also the errors of base::ReadFile.
  static absl::StatusOr<std::unique_ptr<const Tokenizer>> FromFile(const std::string& path);

  ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // The ids of `text`; nothing is added. INVALID_ARGUMENT with the byte offset when `text` is not
  // valid UTF-8, and when the file's split pattern gives up on it. Time n log n, memory up to 100
  // bytes per byte of text.
  absl::StatusOr<std::vector<int32_t>> Encode(std::string_view text) const;

  // The text of `ids`. Bytes that are no UTF-8 become U+FFFD, unknown ids nothing.
  std::string Decode(absl::Span<const int32_t> ids, bool skip_special_tokens) const;

  // The raw bytes of one token (not necessarily UTF-8); empty for ids that the tokenizer lacks.
  std::string_view TokenBytes(int32_t id) const;
  bool HasToken(int32_t id) const;
  bool IsSpecial(int32_t id) const;
  // The largest id + 1, added tokens included.
  int32_t vocab_size() const;
  // The id of a token as the file writes it: in the byte-level alphabet unless it is an added
  // token.
  std::optional<int32_t> IdOf(std::string_view token_content) const;

  // 64 hex digits: SHA-256 over "scanserve.tokenizer.v1", a zero byte, and the JSON (keys sorted,
  // no white space, UTF-8) of the parsed fields that change encoding or decoding: added_tokens by
  // id, decoder, model (fuse_unk, ignore_merges, merges as pairs of ids in order, unk_id, vocab),
  // normalizer as its list of forms, and pre_tokenizer. How the file is laid out and what is not
  // applied does not count.
  const std::string& digest() const;

 private:
  struct Parts;
  struct EncodeState;  // ids so far and memory for more
  explicit Tokenizer(std::unique_ptr<const Parts> parts);

  absl::Status AppendIds(std::string_view normalized, EncodeState* state) const;

  std::unique_ptr<const Parts> parts_;
};

}  // namespace scanserve::model
