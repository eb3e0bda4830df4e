#include <cctype>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "core/model/tokenizer/split_pattern.h"
#include "core/model/tokenizer/utf8.h"

namespace scanserve::model {
namespace {

constexpr size_t kMostPatternBytes = 4096;

// One place of a pattern: a literal character, or a class such as \s.
struct Atom {
  std::optional<char32_t> literal;
  std::string icu;
};

class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  absl::StatusOr<std::string> Run() {
    while (!AtEnd()) SCANSERVE_RETURN_IF_ERROR(Step());
    return out_;
  }

 private:
  bool AtEnd() const { return position_ == pattern_.size(); }
  bool Takes(std::string_view text) {
    if (pattern_.substr(position_, text.size()) != text) return false;
    position_ += text.size();
    return true;
  }
  absl::Status Refuse(const std::string& what) const {
    return absl::InvalidArgumentError(
        absl::StrCat("pattern ", Quoted(pattern_), ": ", what, " at byte ", position_));
  }

  absl::Status Step() {
    const char c = pattern_[position_];
    if (c == '(') return Group();
    if (c == '[') return Class();
    if (c == '{') return Repetition();
    if (c == '.' || c == '^' || c == '$' || c == ']' || c == '}') {
      return Refuse(absl::StrCat("\"", std::string(1, c), "\" is not supported"));
    }
    if (c == ')' || c == '|' || c == '?' || c == '*' || c == '+') {
      out_.push_back(c);
      ++position_;
      return absl::OkStatus();
    }
    SCANSERVE_ASSIGN_OR_RETURN(const Atom atom, NextAtom());
    out_ += atom.icu;
    return absl::OkStatus();
  }

  absl::Status Group() {
    for (const std::string_view open : {"(?:", "(?i:", "(?=", "(?!", "(?<=", "(?<!", "(?>"}) {
      if (!Takes(open)) continue;
      out_ += open;
      return absl::OkStatus();
    }
    if (pattern_.substr(position_, 2) == "(?") return Refuse("this kind of group is not supported");
    ++position_;
    out_ += "(?:";
    return absl::OkStatus();
  }

  absl::Status Repetition() {
    const size_t close = pattern_.find('}', position_);
    if (close == std::string_view::npos) return Refuse("\"{\" is never closed");
    const std::string_view inside = pattern_.substr(position_ + 1, close - position_ - 1);
    if (inside.empty() || !std::isdigit(static_cast<unsigned char>(inside.front())) ||
        inside.find_first_not_of("0123456789,") != std::string_view::npos) {
      return Refuse("expected {n}, {n,} or {n,m}");
    }
    out_ += pattern_.substr(position_, close - position_ + 1);
    position_ = close + 1;
    // Ruby reads these as a repetition of the repetition.
    if (!AtEnd() && std::string_view("?*+").find(pattern_[position_]) != std::string_view::npos) {
      return Refuse("a quantifier behind {..} is not supported");
    }
    return absl::OkStatus();
  }

  absl::Status Class() {
    out_ += Takes("[^") ? "[^" : (++position_, "[");
    for (bool first = true; AtEnd() || pattern_[position_] != ']'; first = false) {
      if (AtEnd()) return Refuse("\"[\" is never closed");
      SCANSERVE_RETURN_IF_ERROR(ClassItem(first));
    }
    ++position_;
    if (out_.ends_with("[") || out_.ends_with("[^")) return Refuse("an empty class");
    out_ += "]";
    return absl::OkStatus();
  }

  absl::Status ClassItem(bool first) {
    const bool is_plain_hyphen = pattern_[position_] == '-';
    if (pattern_[position_] == '[' || pattern_.substr(position_, 2) == "&&") {
      return Refuse("a class within a class is not supported");
    }
    SCANSERVE_ASSIGN_OR_RETURN(const Atom least, NextAtom());
    out_ += least.icu;
    const bool last = !AtEnd() && pattern_[position_] == ']';
    if (is_plain_hyphen && !first && !last) return Refuse("\"-\" within a class must be escaped");
    const std::string_view rest = pattern_.substr(position_);
    if (rest.size() < 2 || rest[0] != '-' || rest[1] == ']') return absl::OkStatus();
    ++position_;
    SCANSERVE_ASSIGN_OR_RETURN(const Atom most, NextAtom());
    if (!least.literal.has_value() || !most.literal.has_value()) {
      return Refuse("a range needs a character on both sides");
    }
    absl::StrAppend(&out_, "-", most.icu);
    return absl::OkStatus();
  }

  // A literal or an escape; literals become \x{..} so that nothing in them has a meaning for ICU.
  absl::StatusOr<Atom> NextAtom() {
    if (Takes("\\")) return Escape();
    const char32_t c = NextCodePoint(pattern_, &position_);
    return Literal(c);
  }

  static Atom Literal(char32_t c) {
    return {c, absl::StrFormat("\\x{%X}", static_cast<uint32_t>(c))};
  }

  absl::StatusOr<Atom> Escape() {
    if (AtEnd()) return Refuse("a lone \"\\\"");
    const char c = pattern_[position_++];
    switch (c) {
      case 's':
        return Atom{std::nullopt, "\\p{White_Space}"};
      case 'S':
        return Atom{std::nullopt, "\\P{White_Space}"};
      case 'd':
        return Atom{std::nullopt, "\\p{Nd}"};
      case 'D':
        return Atom{std::nullopt, "\\P{Nd}"};
      case 'r':
        return Literal('\r');
      case 'n':
        return Literal('\n');
      case 't':
        return Literal('\t');
      case 'p':
      case 'P':
        return Property(c);
      default:
        break;
    }
    if (std::ispunct(static_cast<unsigned char>(c))) return Literal(static_cast<char32_t>(c));
    --position_;
    return Refuse("this escape is not supported");
  }

  absl::StatusOr<Atom> Property(char letter) {
    for (const char* name : {"L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "N", "Nd", "P", "S", "Z"}) {
      if (Takes(absl::StrCat("{", name, "}"))) {
        return Atom{std::nullopt, absl::StrCat("\\", std::string(1, letter), "{", name, "}")};
      }
    }
    return Refuse("this property is not supported");
  }

  const std::string_view pattern_;
  size_t position_ = 0;
  std::string out_;
};

}  // namespace

absl::StatusOr<std::string> TranslatePattern(std::string_view pattern) {
  if (pattern.empty() || pattern.size() > kMostPatternBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a pattern of ", pattern.size(), " bytes, expected 1 to ", kMostPatternBytes));
  }
  return Translator(pattern).Run();
}

}  // namespace scanserve::model
