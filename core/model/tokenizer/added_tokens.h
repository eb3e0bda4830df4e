// Added tokens: literals that are found in the text before it is split into words.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "core/model/tokenizer/bpe.h"
#include "core/model/tokenizer/json_node.h"

namespace scanserve::model {

struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space behind it
  bool normalized = false;   // looked for in the normalized text rather than in the text as it came
  bool special = false;      // left out of decoded text on request

  nlohmann::json Canonical() const;
};

// Reads the list `node`. INVALID_ARGUMENT for an empty, overlong or repeated token, and for an id
// other than the one that the reference library gives: that of the vocabulary, else the next one
// behind all others.
absl::StatusOr<std::vector<AddedToken>> ParseAddedTokens(const JsonNode& node,
                                                         const BpeModel& model);

// A part of a text: an added token, or what lies between two.
struct TextSpan {
  size_t begin;
  size_t end;
  std::optional<int32_t> id;
};

// Finds literals in a text, leftmost first and longest among those that begin together. Thread-safe
// once filled.
class AddedTokenMatcher {
 public:
  AddedTokenMatcher();
  // Looks for `literal` (not empty) as `token`. False when it already looks for that literal.
  bool Add(std::string_view literal, const AddedToken& token);

  // The parts of `text`, valid UTF-8, in order; none is empty. A token that takes the white space
  // behind it can take some that the next token contains, as in the reference library: parts then
  // overlap.
  std::vector<TextSpan> Split(std::string_view text) const;

 private:
  struct Match {
    size_t end = 0;
    const AddedToken* token = nullptr;
  };
  Match LongestAt(std::string_view text, size_t begin) const;

  // A trie: (node, byte) leads to the next node, and a node can end a token.
  absl::flat_hash_map<uint64_t, uint32_t> next_;
  std::vector<int32_t> token_of_node_;
  std::array<bool, 256> is_first_byte_{};
  std::vector<AddedToken> tokens_;
};

}  // namespace scanserve::model
