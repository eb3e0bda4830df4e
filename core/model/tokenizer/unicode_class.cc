#include "core/model/tokenizer/unicode_class.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <iterator>

namespace scanserve::model {
namespace {

// Known characters of each category, one in the basic plane and one beyond, that no pattern names.
struct Category {
  UCharCategory value;
  char32_t basic;
  char32_t supplementary;
};
constexpr Category kLu = {U_UPPERCASE_LETTER, 0x13A0, 0x10C80};
constexpr Category kLl = {U_LOWERCASE_LETTER, 0xAB70, 0x10CC0};
constexpr Category kLm = {U_MODIFIER_LETTER, 0x1C78, 0x16B40};
constexpr Category kLo = {U_OTHER_LETTER, 0xA000, 0x10600};
constexpr Category kNd = {U_DECIMAL_DIGIT_NUMBER, 0xA620, 0x104A0};
constexpr Category kMn = {U_NON_SPACING_MARK, 0x07EB, 0x10A01};
constexpr Category kPo = {U_OTHER_PUNCTUATION, 0xA60D, 0x10100};
constexpr Category kSo = {U_OTHER_SYMBOL, 0xA490, 0x10190};

// Assigned in Unicode 15.1 and 16.0. Marks, punctuation and symbols stand under one category of
// theirs each: patterns are held to the whole groups (see split_pattern.h).
struct LaterRange {
  char32_t first;
  char32_t last;
  const Category* category;
};
constexpr LaterRange kLater[] = {
    {0x897, 0x897, &kMn},     {0x1B4E, 0x1B4F, &kPo},   {0x1B7F, 0x1B7F, &kPo},
    {0x1C89, 0x1C89, &kLu},   {0x1C8A, 0x1C8A, &kLl},   {0x2427, 0x2429, &kSo},
    {0x2FFC, 0x2FFF, &kSo},   {0x31E4, 0x31E5, &kSo},   {0x31EF, 0x31EF, &kSo},
    {0xA7CB, 0xA7CC, &kLu},   {0xA7CD, 0xA7CD, &kLl},   {0xA7DA, 0xA7DA, &kLu},
    {0xA7DB, 0xA7DB, &kLl},   {0xA7DC, 0xA7DC, &kLu},   {0x105C0, 0x105F3, &kLo},
    {0x10D40, 0x10D49, &kNd}, {0x10D4A, 0x10D4D, &kLo}, {0x10D4E, 0x10D4E, &kLm},
    {0x10D4F, 0x10D4F, &kLo}, {0x10D50, 0x10D65, &kLu}, {0x10D69, 0x10D6D, &kMn},
    {0x10D6E, 0x10D6E, &kPo}, {0x10D6F, 0x10D6F, &kLm}, {0x10D70, 0x10D85, &kLl},
    {0x10D8E, 0x10D8F, &kSo}, {0x10EC2, 0x10EC4, &kLo}, {0x10EFC, 0x10EFC, &kMn},
    {0x11380, 0x11389, &kLo}, {0x1138B, 0x1138B, &kLo}, {0x1138E, 0x1138E, &kLo},
    {0x11390, 0x113B5, &kLo}, {0x113B7, 0x113B7, &kLo}, {0x113B8, 0x113C0, &kMn},
    {0x113C2, 0x113C2, &kMn}, {0x113C5, 0x113C5, &kMn}, {0x113C7, 0x113CA, &kMn},
    {0x113CC, 0x113D0, &kMn}, {0x113D1, 0x113D1, &kLo}, {0x113D2, 0x113D2, &kMn},
    {0x113D3, 0x113D3, &kLo}, {0x113D4, 0x113D5, &kPo}, {0x113D7, 0x113D8, &kPo},
    {0x113E1, 0x113E2, &kMn}, {0x116D0, 0x116E3, &kNd}, {0x11BC0, 0x11BE0, &kLo},
    {0x11BE1, 0x11BE1, &kPo}, {0x11BF0, 0x11BF9, &kNd}, {0x11F5A, 0x11F5A, &kMn},
    {0x13460, 0x143FA, &kLo}, {0x16100, 0x1611D, &kLo}, {0x1611E, 0x1612F, &kMn},
    {0x16130, 0x16139, &kNd}, {0x16D40, 0x16D42, &kLm}, {0x16D43, 0x16D6A, &kLo},
    {0x16D6B, 0x16D6C, &kLm}, {0x16D6D, 0x16D6F, &kPo}, {0x16D70, 0x16D79, &kNd},
    {0x18CFF, 0x18CFF, &kLo}, {0x1CC00, 0x1CCEF, &kSo}, {0x1CCF0, 0x1CCF9, &kNd},
    {0x1CD00, 0x1CEB3, &kSo}, {0x1E5D0, 0x1E5ED, &kLo}, {0x1E5EE, 0x1E5EF, &kMn},
    {0x1E5F0, 0x1E5F0, &kLo}, {0x1E5F1, 0x1E5FA, &kNd}, {0x1E5FF, 0x1E5FF, &kPo},
    {0x1F8B2, 0x1F8BB, &kSo}, {0x1F8C0, 0x1F8C1, &kSo}, {0x1FA89, 0x1FA89, &kSo},
    {0x1FA8F, 0x1FA8F, &kSo}, {0x1FABE, 0x1FABE, &kSo}, {0x1FAC6, 0x1FAC6, &kSo},
    {0x1FADC, 0x1FADC, &kSo}, {0x1FADF, 0x1FADF, &kSo}, {0x1FAE9, 0x1FAE9, &kSo},
    {0x1FBCB, 0x1FBEF, &kSo}, {0x2EBF0, 0x2EE5D, &kLo},
};

const Category* LaterCategory(char32_t code_point) {
  const LaterRange* range =
      std::lower_bound(std::begin(kLater), std::end(kLater), code_point,
                       [](const LaterRange& r, char32_t value) { return r.last < value; });
  const bool found = range != std::end(kLater) && range->first <= code_point;
  return found ? range->category : nullptr;
}

UCharCategory CategoryOf(char32_t code_point) {
  const auto known = static_cast<UCharCategory>(u_charType(static_cast<UChar32>(code_point)));
  if (known != U_UNASSIGNED) return known;
  const Category* later = LaterCategory(code_point);
  return later == nullptr ? U_UNASSIGNED : later->value;
}

bool IsIn(UCharCategory category, uint32_t mask) { return (U_MASK(category) & mask) != 0; }

}  // namespace

bool IsWhiteSpace(char32_t code_point) {
  if (code_point < 0x80) return code_point == ' ' || (code_point >= '\t' && code_point <= '\r');
  return u_isUWhiteSpace(static_cast<UChar32>(code_point));
}

CharacterClass ClassOf(char32_t code_point) {
  if (code_point < 0x80) {
    const char32_t lower = code_point | 0x20;
    if (lower >= 'a' && lower <= 'z') return CharacterClass::kLetter;
    if (code_point >= '0' && code_point <= '9') return CharacterClass::kNumber;
    return IsWhiteSpace(code_point) ? CharacterClass::kSpace : CharacterClass::kOther;
  }
  const UCharCategory category = CategoryOf(code_point);
  if (IsIn(category, U_GC_L_MASK)) return CharacterClass::kLetter;
  if (IsIn(category, U_GC_N_MASK)) return CharacterClass::kNumber;
  return IsWhiteSpace(code_point) ? CharacterClass::kSpace : CharacterClass::kOther;
}

bool IsWordCharacter(char32_t code_point) {
  const auto c = static_cast<UChar32>(code_point);
  return IsIn(CategoryOf(code_point), U_GC_L_MASK | U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK) ||
         u_isUAlphabetic(c) || u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL);
}

bool IsNumeric(char32_t code_point) {
  const bool unicode_17 = (code_point >= 0x11DE0 && code_point <= 0x11DE9) ||
                          (code_point >= 0x16FF4 && code_point <= 0x16FF6);
  return unicode_17 || ClassOf(code_point) == CharacterClass::kNumber;
}

char32_t StandIn(char32_t code_point) {
  if (code_point < 0x80 || u_isdefined(static_cast<UChar32>(code_point))) return code_point;
  const Category* later = LaterCategory(code_point);
  if (later == nullptr) return code_point;
  return code_point < 0x10000 ? later->basic : later->supplementary;
}

}  // namespace scanserve::model
