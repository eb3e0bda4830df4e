#include "core/model/tokenizer/split_pattern.h"

#include <unicode/regex.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/model/tokenizer/unicode_class.h"
#include "core/model/tokenizer/utf8.h"

namespace scanserve::model {
namespace {

// About as many milliseconds, for all matches in one piece of text (ICU counts steps).
constexpr int32_t kMostMatchSteps = 10'000;

constexpr std::array<std::pair<SplitPattern::Behavior, std::string_view>, 5> kBehaviorNames = {{
    {SplitPattern::Behavior::kRemoved, "Removed"},
    {SplitPattern::Behavior::kIsolated, "Isolated"},
    {SplitPattern::Behavior::kMergedWithPrevious, "MergedWithPrevious"},
    {SplitPattern::Behavior::kMergedWithNext, "MergedWithNext"},
    {SplitPattern::Behavior::kContiguous, "Contiguous"},
}};

// Text for ICU, with the place in the UTF-8 of each of its units and of its end.
struct Utf16Text {
  icu::UnicodeString units;
  std::vector<size_t> offsets;
};

Utf16Text ToUtf16(std::string_view text) {
  Utf16Text result;
  result.offsets.reserve(text.size() + 1);
  for (size_t position = 0; position < text.size();) {
    const size_t begin = position;
    result.units.append(static_cast<UChar32>(StandIn(NextCodePoint(text, &position))));
    result.offsets.resize(result.units.length(), begin);
  }
  result.offsets.push_back(text.size());
  return result;
}

void FindLiteral(std::string_view text, std::string_view literal, std::vector<TextRange>* matches) {
  for (size_t begin = text.find(literal); begin != std::string_view::npos;) {
    matches->push_back({begin, begin + literal.size()});
    begin = text.find(literal, begin + literal.size());
  }
}

void FindDigits(std::string_view text, std::vector<TextRange>* matches) {
  for (size_t position = 0; position < text.size();) {
    const size_t begin = position;
    if (IsNumeric(NextCodePoint(text, &position))) matches->push_back({begin, position});
  }
}

}  // namespace

struct SplitPattern::Expression {
  std::unique_ptr<const icu::RegexPattern> compiled;
};

absl::StatusOr<SplitPattern> SplitPattern::FromJson(const JsonNode& node) {
  SCANSERVE_ASSIGN_OR_RETURN(const std::string type, node.String("type"));
  if (type == "Split") return SplitFromJson(node);
  SplitPattern digits;
  digits.kind_ = "Digits";
  SCANSERVE_ASSIGN_OR_RETURN(const bool individual, node.Bool("individual_digits"));
  digits.behavior_ = individual ? Behavior::kIsolated : Behavior::kContiguous;
  return digits;
}

absl::StatusOr<SplitPattern> SplitPattern::SplitFromJson(const JsonNode& node) {
  SplitPattern split;
  SCANSERVE_ASSIGN_OR_RETURN(split.invert_, node.Bool("invert"));
  SCANSERVE_ASSIGN_OR_RETURN(const std::string behavior, node.String("behavior"));
  const auto known = std::find_if(kBehaviorNames.begin(), kBehaviorNames.end(),
                                  [&](const auto& entry) { return entry.second == behavior; });
  if (known == kBehaviorNames.end()) {
    return node.Error(absl::StrCat("behavior ", Quoted(behavior), " is not supported"));
  }
  split.behavior_ = known->first;
  SCANSERVE_ASSIGN_OR_RETURN(const JsonNode pattern, node.Member("pattern"));
  SCANSERVE_ASSIGN_OR_RETURN(split.pattern_, pattern.String("String", ""));
  if (!split.pattern_.empty()) {
    split.kind_ = "String";
    return split;
  }
  split.kind_ = "Regex";
  SCANSERVE_ASSIGN_OR_RETURN(split.pattern_, pattern.String("Regex"));
  const absl::StatusOr<std::string> translated = TranslatePattern(split.pattern_);
  if (!translated.ok()) return pattern.Error(std::string(translated.status().message()));
  UErrorCode error = U_ZERO_ERROR;
  UParseError place;
  auto expression = std::make_shared<Expression>();
  expression->compiled.reset(icu::RegexPattern::compile(icu::UnicodeString::fromUTF8(*translated),
                                                        /*flags=*/0, place, error));
  if (U_FAILURE(error)) {
    return pattern.Error(absl::StrCat(Quoted(split.pattern_), ": ", u_errorName(error)));
  }
  split.expression_ = std::move(expression);
  return split;
}

absl::Status SplitPattern::FindExpression(std::string_view text,
                                          std::vector<TextRange>* matches) const {
  const Utf16Text utf16 = ToUtf16(text);
  UErrorCode error = U_ZERO_ERROR;
  const std::unique_ptr<icu::RegexMatcher> matcher(
      expression_->compiled->matcher(utf16.units, error));
  if (U_SUCCESS(error)) matcher->setTimeLimit(kMostMatchSteps, error);
  while (U_SUCCESS(error) && matcher->find(error)) {
    const size_t begin = utf16.offsets[matcher->start(error)];
    const size_t end = utf16.offsets[matcher->end(error)];
    // An empty match right behind another one is none in the reference library.
    const bool repeated = begin == end && !matches->empty() && matches->back().end == begin;
    if (!repeated) matches->push_back({begin, end});
  }
  if (U_SUCCESS(error)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the tokenizer's split pattern gave up on this text: ", u_errorName(error)));
}

absl::Status SplitPattern::Find(std::string_view text, std::vector<TextRange>* matches) const {
  if (expression_ != nullptr) return FindExpression(text, matches);
  if (kind_ == "String") {
    FindLiteral(text, pattern_, matches);
  } else {
    FindDigits(text, matches);
  }
  return absl::OkStatus();
}

absl::Status SplitPattern::Split(std::string_view text, std::vector<TextRange>* pieces) const {
  std::vector<TextRange> result;
  std::vector<TextRange> matches;
  std::vector<Part> parts;
  for (const TextRange& piece : *pieces) {
    matches.clear();
    parts.clear();
    SCANSERVE_RETURN_IF_ERROR(Find(text.substr(piece.begin, piece.end - piece.begin), &matches));
    size_t done = piece.begin;
    for (const TextRange& match : matches) {
      const TextRange range = {piece.begin + match.begin, piece.begin + match.end};
      if (done < range.begin) parts.push_back({{done, range.begin}, invert_});
      parts.push_back({range, !invert_});
      done = range.end;
    }
    if (done < piece.end) parts.push_back({{done, piece.end}, invert_});
    AppendParts(parts, &result);
  }
  std::erase_if(result, [](const TextRange& range) { return range.begin == range.end; });
  *pieces = std::move(result);
  return absl::OkStatus();
}

// Of several matches in a row, only the one next to the other text is merged with it.
void SplitPattern::AppendParts(const std::vector<Part>& parts,
                               std::vector<TextRange>* pieces) const {
  const size_t first = pieces->size();
  for (size_t i = 0; i < parts.size(); ++i) {
    const Part& part = parts[i];
    const bool after_match = i > 0 && parts[i - 1].is_match;
    bool joins = false;
    switch (behavior_) {
      case Behavior::kRemoved:
        if (!part.is_match) pieces->push_back(part.range);
        continue;
      case Behavior::kIsolated:
        break;
      case Behavior::kContiguous:
        joins = i > 0 && part.is_match == after_match;
        break;
      case Behavior::kMergedWithPrevious:
        joins = part.is_match && !after_match;
        break;
      case Behavior::kMergedWithNext:
        joins = after_match && !part.is_match;
        break;
    }
    if (joins && pieces->size() > first) {
      pieces->back().end = part.range.end;
    } else {
      pieces->push_back(part.range);
    }
  }
}

nlohmann::json SplitPattern::Canonical() const {
  return {{"behavior", kBehaviorNames[static_cast<size_t>(behavior_)].second},
          {"invert", invert_},
          {"kind", kind_},
          {"pattern", pattern_}};
}

}  // namespace scanserve::model
