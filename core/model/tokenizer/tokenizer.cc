#include "core/model/tokenizer/tokenizer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/sha256.h"
#include "core/base/status_macros.h"
#include "core/model/tokenizer/added_tokens.h"
#include "core/model/tokenizer/bpe.h"
#include "core/model/tokenizer/byte_level.h"
#include "core/model/tokenizer/json_node.h"
#include "core/model/tokenizer/normalizer.h"
#include "core/model/tokenizer/pre_tokenizer.h"
#include "core/model/tokenizer/utf8.h"

namespace scanserve::model {
namespace {

constexpr int64_t kMostFileBytes = 32 << 20;

struct Token {
  std::string bytes;
  bool exists = false;
  bool special = false;
};

absl::Status CheckVersion(const JsonNode& root) {
  SCANSERVE_ASSIGN_OR_RETURN(const std::string version, root.String("version", "1.0"));
  if (version == "1.0") return absl::OkStatus();
  return root.Error(absl::StrCat("version ", Quoted(version), " is not supported, expected 1.0"));
}

absl::Status CheckDecoder(const JsonNode& root) {
  SCANSERVE_ASSIGN_OR_RETURN(const JsonNode decoder, root.Member("decoder"));
  SCANSERVE_ASSIGN_OR_RETURN(const std::string type, decoder.String("type"));
  if (type == "ByteLevel") return absl::OkStatus();
  return decoder.Error(
      absl::StrCat("type ", Quoted(type), " is not supported, expected ByteLevel"));
}

// It is not applied, but one of an unknown type could do more than add tokens around a text.
absl::Status CheckPostProcessor(const JsonNode& node) {
  SCANSERVE_ASSIGN_OR_RETURN(const auto parts, FlattenSequence(node, "processors"));
  for (const JsonNode& part : parts) {
    SCANSERVE_ASSIGN_OR_RETURN(const std::string type, part.String("type"));
    if (type == "ByteLevel" || type == "TemplateProcessing" || type == "RobertaProcessing")
      continue;
    return part.Error(absl::StrCat("type ", Quoted(type), " is not supported, expected ByteLevel, ",
                                   "TemplateProcessing, RobertaProcessing or Sequence"));
  }
  return absl::OkStatus();
}

}  // namespace

struct Tokenizer::Parts {
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  BpeModel model;
  std::vector<AddedToken> added;
  AddedTokenMatcher raw_matcher;
  AddedTokenMatcher normalized_matcher;
  std::vector<Token> tokens;  // by id
  std::string digest;

  static absl::StatusOr<Parts> FromJson(const JsonNode& root);
  absl::Status IndexAddedTokens();
  void IndexTokens();
  void ComputeDigest();
};

absl::StatusOr<Tokenizer::Parts> Tokenizer::Parts::FromJson(const JsonNode& root) {
  SCANSERVE_RETURN_IF_ERROR(CheckVersion(root));
  SCANSERVE_RETURN_IF_ERROR(CheckDecoder(root));
  SCANSERVE_ASSIGN_OR_RETURN(const auto post_processor, root.OptionalMember("post_processor"));
  if (post_processor.has_value()) {
    SCANSERVE_RETURN_IF_ERROR(CheckPostProcessor(*post_processor));
  }
  Normalizer normalizer;
  SCANSERVE_ASSIGN_OR_RETURN(const auto normalizer_node, root.OptionalMember("normalizer"));
  if (normalizer_node.has_value()) {
    SCANSERVE_ASSIGN_OR_RETURN(normalizer, Normalizer::FromJson(*normalizer_node));
  }
  SCANSERVE_ASSIGN_OR_RETURN(const JsonNode pre_tokenizer_node, root.Member("pre_tokenizer"));
  SCANSERVE_ASSIGN_OR_RETURN(PreTokenizer pre_tokenizer,
                             PreTokenizer::FromJson(pre_tokenizer_node));
  SCANSERVE_ASSIGN_OR_RETURN(const JsonNode model_node, root.Member("model"));
  SCANSERVE_ASSIGN_OR_RETURN(BpeModel model, BpeModel::FromJson(model_node));
  std::vector<AddedToken> added;
  SCANSERVE_ASSIGN_OR_RETURN(const auto added_node, root.OptionalMember("added_tokens"));
  if (added_node.has_value()) {
    SCANSERVE_ASSIGN_OR_RETURN(added, ParseAddedTokens(*added_node, model));
  }
  return Parts{std::move(normalizer),
               std::move(pre_tokenizer),
               std::move(model),
               std::move(added),
               {},
               {},
               {},
               {}};
}

absl::Status Tokenizer::Parts::IndexAddedTokens() {
  for (const AddedToken& token : added) {
    const bool fresh = token.normalized
                           ? normalized_matcher.Add(normalizer.Normalize(token.content), token)
                           : raw_matcher.Add(token.content, token);
    if (fresh) continue;
    return absl::InvalidArgumentError(absl::StrCat("tokenizer.json: added_tokens: token ",
                                                   Quoted(token.content),
                                                   " equals another one after normalization"));
  }
  return absl::OkStatus();
}

void Tokenizer::Parts::IndexTokens() {
  int32_t largest = 0;
  for (const auto& [content, id] : model.vocabulary()) largest = std::max(largest, id);
  for (const AddedToken& token : added) largest = std::max(largest, token.id);
  tokens.resize(largest + 1);
  for (const auto& [content, id] : model.vocabulary()) {
    tokens[id] = {DecodedBytes(content), true, false};
  }
  for (const AddedToken& token : added) {
    const std::string shown =
        token.normalized ? normalizer.Normalize(token.content) : token.content;
    // The reference library looks special tokens up by this text among the contents as written.
    tokens[token.id] = {DecodedBytes(shown), true, token.special && shown == token.content};
  }
}

void Tokenizer::Parts::ComputeDigest() {
  std::vector<AddedToken> by_id = added;
  std::sort(by_id.begin(), by_id.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  nlohmann::json added_fields = nlohmann::json::array();
  for (const AddedToken& token : by_id) added_fields.push_back(token.Canonical());
  const nlohmann::json fields = {{"added_tokens", std::move(added_fields)},
                                 {"decoder", "ByteLevel"},
                                 {"model", model.Canonical()},
                                 {"normalizer", normalizer.Canonical()},
                                 {"pre_tokenizer", pre_tokenizer.Canonical()}};
  base::Sha256 hash;
  hash.Update(absl::string_view("scanserve.tokenizer.v1\0", 23));
  hash.Update(fields.dump());
  digest = hash.FinishHex();
}

struct Tokenizer::EncodeState {
  BpeModel::Workspace workspace;
  std::vector<int32_t> ids;
};

Tokenizer::Tokenizer(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
Tokenizer::~Tokenizer() = default;

absl::StatusOr<std::unique_ptr<const Tokenizer>> Tokenizer::FromJson(std::string_view json) {
  if (static_cast<int64_t>(json.size()) > kMostFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tokenizer.json: ", json.size(), " bytes, at most ", kMostFileBytes, " are accepted"));
  }
  SCANSERVE_ASSIGN_OR_RETURN(const nlohmann::json document, ParseBoundedJson(json));
  SCANSERVE_ASSIGN_OR_RETURN(Parts parts, Parts::FromJson(JsonNode(&document, "")));
  SCANSERVE_RETURN_IF_ERROR(parts.IndexAddedTokens());
  parts.IndexTokens();
  parts.ComputeDigest();
  return std::unique_ptr<const Tokenizer>(
      new Tokenizer(std::make_unique<const Parts>(std::move(parts))));
}

absl::StatusOr<std::unique_ptr<const Tokenizer>> Tokenizer::FromFile(const std::string& path) {
  SCANSERVE_ASSIGN_OR_RETURN(const std::string json, base::ReadFile(path, kMostFileBytes));
  return FromJson(json);
}

absl::Status Tokenizer::AppendIds(std::string_view normalized, EncodeState* state) const {
  return parts_->pre_tokenizer.Split(normalized, [&](std::string_view word) {
    parts_->model.Append(word, &state->workspace, &state->ids);
  });
}

absl::StatusOr<std::vector<int32_t>> Tokenizer::Encode(std::string_view text) const {
  if (const std::optional<size_t> invalid = FindInvalidUtf8(text); invalid.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("text is not valid UTF-8 at byte offset ", *invalid));
  }
  EncodeState state;
  for (const TextSpan& raw : parts_->raw_matcher.Split(text)) {
    if (raw.id.has_value()) {
      state.ids.push_back(*raw.id);
      continue;
    }
    const std::string normalized =
        parts_->normalizer.Normalize(text.substr(raw.begin, raw.end - raw.begin));
    for (const TextSpan& span : parts_->normalized_matcher.Split(normalized)) {
      if (span.id.has_value()) {
        state.ids.push_back(*span.id);
        continue;
      }
      const auto piece = std::string_view(normalized).substr(span.begin, span.end - span.begin);
      SCANSERVE_RETURN_IF_ERROR(AppendIds(piece, &state));
    }
  }
  return std::move(state.ids);
}

std::string Tokenizer::Decode(absl::Span<const int32_t> ids, bool skip_special_tokens) const {
  std::string bytes;
  for (const int32_t id : ids) {
    if (!skip_special_tokens || !IsSpecial(id)) bytes += TokenBytes(id);
  }
  return ReplaceInvalidUtf8(bytes);
}

bool Tokenizer::HasToken(int32_t id) const {
  return id >= 0 && id < vocab_size() && parts_->tokens[id].exists;
}

bool Tokenizer::IsSpecial(int32_t id) const { return HasToken(id) && parts_->tokens[id].special; }

std::string_view Tokenizer::TokenBytes(int32_t id) const {
  return HasToken(id) ? std::string_view(parts_->tokens[id].bytes) : std::string_view();
}

int32_t Tokenizer::vocab_size() const { return static_cast<int32_t>(parts_->tokens.size()); }

std::optional<int32_t> Tokenizer::IdOf(std::string_view token_content) const {
  for (const AddedToken& token : parts_->added) {
    if (token.content == token_content) return token.id;
  }
  return parts_->model.IdOf(token_content);
}

const std::string& Tokenizer::digest() const { return parts_->digest; }

}  // namespace scanserve::model
