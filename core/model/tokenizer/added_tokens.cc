#include "core/model/tokenizer/added_tokens.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/model/tokenizer/unicode_class.h"
#include "core/model/tokenizer/utf8.h"

namespace scanserve::model {
namespace {

// Bounds the time that a search spends at each place of a text.
constexpr size_t kMostContentBytes = 1024;
constexpr int32_t kNoToken = -1;
constexpr uint32_t kRoot = 0;

uint64_t Edge(uint32_t node, char byte) {
  return (uint64_t{node} << 8) | static_cast<uint8_t>(byte);
}

absl::StatusOr<AddedToken> ParseAddedToken(const JsonNode& node) {
  AddedToken token;
  SCANSERVE_ASSIGN_OR_RETURN(token.content, node.String("content"));
  SCANSERVE_ASSIGN_OR_RETURN(const JsonNode id, node.Member("id"));
  const std::optional<int32_t> number = TokenIdOf(id.value());
  if (!number.has_value()) {
    return id.Error(absl::StrCat("not a token id, expected 0 to ", kMostTokenId));
  }
  token.id = *number;
  SCANSERVE_ASSIGN_OR_RETURN(token.single_word, node.Bool("single_word"));
  SCANSERVE_ASSIGN_OR_RETURN(token.lstrip, node.Bool("lstrip"));
  SCANSERVE_ASSIGN_OR_RETURN(token.rstrip, node.Bool("rstrip"));
  SCANSERVE_ASSIGN_OR_RETURN(token.normalized, node.Bool("normalized"));
  SCANSERVE_ASSIGN_OR_RETURN(token.special, node.Bool("special"));
  if (token.content.empty()) return node.Error("content is empty");
  if (token.content.size() > kMostContentBytes) {
    return node.Error(absl::StrCat("content has ", token.content.size(), " bytes, at most ",
                                   kMostContentBytes, " are accepted"));
  }
  return token;
}

bool TouchesWord(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 && IsWordCharacter(PreviousCodePoint(text, begin))) return true;
  return end < text.size() && IsWordCharacter(NextCodePoint(text, &end));
}

size_t SkipSpacesBack(std::string_view text, size_t end, size_t least) {
  while (end > least) {
    const char32_t before = PreviousCodePoint(text, end);
    if (!IsWhiteSpace(before)) break;
    do {
      --end;
    } while ((text[end] & 0xC0) == 0x80);
  }
  return end;
}

size_t SkipSpaces(std::string_view text, size_t begin) {
  for (size_t next = begin; next < text.size(); begin = next) {
    if (!IsWhiteSpace(NextCodePoint(text, &next))) break;
  }
  return begin;
}

}  // namespace

nlohmann::json AddedToken::Canonical() const {
  return {{"content", content}, {"id", id},         {"single_word", single_word},
          {"lstrip", lstrip},   {"rstrip", rstrip}, {"normalized", normalized},
          {"special", special}};
}

absl::StatusOr<std::vector<AddedToken>> ParseAddedTokens(const JsonNode& node,
                                                         const BpeModel& model) {
  SCANSERVE_ASSIGN_OR_RETURN(const std::vector<JsonNode> elements, node.Elements());
  const int32_t vocabulary_size = static_cast<int32_t>(model.vocabulary().size());
  int32_t next_id = vocabulary_size;
  absl::flat_hash_set<std::string> seen;
  std::vector<AddedToken> tokens;
  for (const JsonNode& element : elements) {
    SCANSERVE_ASSIGN_OR_RETURN(AddedToken token, ParseAddedToken(element));
    if (!seen.insert(token.content).second) {
      return element.Error(absl::StrCat("token ", Quoted(token.content), " is added twice"));
    }
    const std::optional<int32_t> known = model.IdOf(token.content);
    const int32_t expected = known.value_or(next_id);
    if (token.id != expected) {
      return element.Error(absl::StrCat("token ", Quoted(token.content), " has id ", token.id,
                                        ", expected ", expected));
    }
    next_id = std::max(next_id, token.id + 1);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

AddedTokenMatcher::AddedTokenMatcher() : token_of_node_{kNoToken} {}

bool AddedTokenMatcher::Add(std::string_view literal, const AddedToken& token) {
  uint32_t node = kRoot;
  for (const char byte : literal) {
    const auto fresh = static_cast<uint32_t>(token_of_node_.size());
    const auto [edge, inserted] = next_.try_emplace(Edge(node, byte), fresh);
    if (inserted) token_of_node_.push_back(kNoToken);
    node = edge->second;
  }
  if (token_of_node_[node] != kNoToken) return false;
  is_first_byte_[static_cast<uint8_t>(literal.front())] = true;
  token_of_node_[node] = static_cast<int32_t>(tokens_.size());
  tokens_.push_back(token);
  return true;
}

AddedTokenMatcher::Match AddedTokenMatcher::LongestAt(std::string_view text, size_t begin) const {
  Match longest;
  if (!is_first_byte_[static_cast<uint8_t>(text[begin])]) return longest;
  uint32_t node = kRoot;
  for (size_t position = begin; position < text.size();) {
    const auto edge = next_.find(Edge(node, text[position]));
    if (edge == next_.end()) break;
    node = edge->second;
    ++position;
    const int32_t token = token_of_node_[node];
    if (token != kNoToken) longest = {position, &tokens_[token]};
  }
  return longest;
}

std::vector<TextSpan> AddedTokenMatcher::Split(std::string_view text) const {
  std::vector<TextSpan> spans;
  size_t done = 0;  // the end of the last span
  for (size_t position = 0; position < text.size();) {
    const Match match = LongestAt(text, position);
    if (match.token == nullptr) {
      ++position;
      continue;
    }
    size_t begin = position;
    size_t end = match.end;
    position = match.end;  // a match that is turned down is passed over as a whole
    if (match.token->single_word && TouchesWord(text, begin, end)) continue;
    if (match.token->lstrip) begin = SkipSpacesBack(text, begin, done);
    if (match.token->rstrip) end = SkipSpaces(text, end);
    if (done < begin) spans.push_back({done, begin, std::nullopt});
    spans.push_back({begin, end, match.token->id});
    done = end;
  }
  if (done != text.size()) spans.push_back({done, text.size(), std::nullopt});
  return spans;
}

}  // namespace scanserve::model
