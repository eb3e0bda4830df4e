#include "core/model/tokenizer/pre_tokenizer.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/model/tokenizer/byte_level.h"

namespace scanserve::model {

absl::StatusOr<PreTokenizer> PreTokenizer::FromJson(const JsonNode& node) {
  PreTokenizer pre_tokenizer;
  SCANSERVE_ASSIGN_OR_RETURN(const auto parts, FlattenSequence(node, "pretokenizers"));
  for (const JsonNode& part : parts) SCANSERVE_RETURN_IF_ERROR(pre_tokenizer.Add(part));
  if (!pre_tokenizer.has_byte_level_) return node.Error("does not end with ByteLevel");
  return pre_tokenizer;
}

absl::Status PreTokenizer::Add(const JsonNode& node) {
  SCANSERVE_ASSIGN_OR_RETURN(const std::string type, node.String("type"));
  // Behind it others would see characters that stand for bytes.
  if (has_byte_level_) return node.Error(absl::StrCat(type, " behind ByteLevel is not supported"));
  if (type == "Split" || type == "Digits") {
    SCANSERVE_ASSIGN_OR_RETURN(SplitPattern pattern, SplitPattern::FromJson(node));
    patterns_.push_back(std::move(pattern));
    return absl::OkStatus();
  }
  if (type != "ByteLevel") {
    return node.Error(absl::StrCat(
        "type ", Quoted(type), " is not supported, expected ByteLevel, Split, Digits or Sequence"));
  }
  SCANSERVE_ASSIGN_OR_RETURN(add_prefix_space_, node.Bool("add_prefix_space"));
  SCANSERVE_ASSIGN_OR_RETURN(use_regex_, node.Bool("use_regex", true));
  has_byte_level_ = true;
  return absl::OkStatus();
}

absl::Status PreTokenizer::Split(std::string_view text,
                                 absl::FunctionRef<void(std::string_view word)> visit) const {
  std::vector<TextRange> pieces;
  if (!text.empty()) pieces.push_back({0, text.size()});
  for (const SplitPattern& pattern : patterns_) {
    SCANSERVE_RETURN_IF_ERROR(pattern.Split(text, &pieces));
  }
  std::string prefixed;
  for (const TextRange& range : pieces) {
    std::string_view piece = text.substr(range.begin, range.end - range.begin);
    if (add_prefix_space_ && piece.front() != ' ') {
      prefixed.assign(1, ' ').append(piece);
      piece = prefixed;
    }
    if (!use_regex_) {
      visit(piece);
      continue;
    }
    for (size_t begin = 0; begin < piece.size();) {
      const size_t end = EndOfGpt2Word(piece, begin);
      visit(piece.substr(begin, end - begin));
      begin = end;
    }
  }
  return absl::OkStatus();
}

nlohmann::json PreTokenizer::Canonical() const {
  nlohmann::json patterns = nlohmann::json::array();
  for (const SplitPattern& pattern : patterns_) patterns.push_back(pattern.Canonical());
  return {{"add_prefix_space", add_prefix_space_},
          {"split", std::move(patterns)},
          {"use_regex", use_regex_}};
}

}  // namespace scanserve::model
