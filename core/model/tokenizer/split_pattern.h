// A "Split" or "Digits" pre-tokenizer: cuts text where a pattern matches.
//
// The reference library matches with Oniguruma in Ruby syntax, this one with ICU. A pattern is
// therefore held to what both read alike and rewritten; anything else is refused by name rather
// than matched almost right. Immutable and thread-safe.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/model/tokenizer/json_node.h"

namespace scanserve::model {

struct TextRange {
  size_t begin;
  size_t end;
};

// `pattern` for ICU, matching what Oniguruma matches. INVALID_ARGUMENT, naming it, for a construct
// outside of: literals, \r \n \t, \s \S \d \D, \p{..} and \P{..} of L Lu Ll Lt Lm Lo M N Nd P S Z,
// classes, groups (also ?: ?i: ?> and look-around), | and the quantifiers ? * + {n} {n,} {n,m}.
absl::StatusOr<std::string> TranslatePattern(std::string_view pattern);

class SplitPattern {
 public:
  // What becomes of the matches.
  enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

  // `node` has the type Split or Digits.
  static absl::StatusOr<SplitPattern> FromJson(const JsonNode& node);

  // Cuts each of `pieces`, ranges of `text` (valid UTF-8), on its own and leaves the result there,
  // without empty ones. INVALID_ARGUMENT when the pattern takes too long or too much memory on this
  // text.
  absl::Status Split(std::string_view text, std::vector<TextRange>* pieces) const;

  // The fields that change what this does.
  nlohmann::json Canonical() const;

 private:
  struct Expression;  // ICU's compiled form
  struct Part {
    TextRange range;
    bool is_match;
  };

  static absl::StatusOr<SplitPattern> SplitFromJson(const JsonNode& node);
  absl::Status FindExpression(std::string_view text, std::vector<TextRange>* matches) const;
  absl::Status Find(std::string_view text, std::vector<TextRange>* matches) const;
  void AppendParts(const std::vector<Part>& parts, std::vector<TextRange>* pieces) const;

  std::string kind_;  // "Regex", "String" or "Digits"
  std::string pattern_;
  std::shared_ptr<const Expression> expression_;  // of the kind "Regex"
  Behavior behavior_ = Behavior::kIsolated;
  bool invert_ = false;
};

}  // namespace scanserve::model
