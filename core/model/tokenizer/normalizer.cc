#include "core/model/tokenizer/normalizer.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/model/tokenizer/utf8.h"

namespace scanserve::model {
namespace {

// A code point below its canonical combining class, so that sorting by `>> kClassShift` reorders
// marks.
using ClassedCharacter = uint32_t;
constexpr int kClassShift = 24;
ClassedCharacter Classed(UChar32 character, uint8_t combining_class) {
  return static_cast<uint32_t>(character) | (uint32_t{combining_class} << kClassShift);
}
uint32_t ClassOfMark(ClassedCharacter c) { return c >> kClassShift; }
UChar32 CharacterOf(ClassedCharacter c) {
  return static_cast<UChar32>(c & ((1u << kClassShift) - 1));
}

// Nothing below it combines with a character before it.
constexpr UChar32 kFirstCombining = 0x300;

constexpr std::array<std::pair<Normalizer::Form, std::string_view>, 4> kFormNames = {{
    {Normalizer::Form::kNfc, "NFC"},
    {Normalizer::Form::kNfd, "NFD"},
    {Normalizer::Form::kNfkc, "NFKC"},
    {Normalizer::Form::kNfkd, "NFKD"},
}};

bool IsInUnicode9(UChar32 character) {
  UVersionInfo age;
  u_charAge(character, age);
  return age[0] != 0 && (age[0] < 9 || (age[0] == 9 && age[1] == 0));
}

// ICU's tables are part of its library: getting them cannot fail.
const UNormalizer2* Tables(bool compatibility) {
  UErrorCode error = U_ZERO_ERROR;
  return compatibility ? unorm2_getNFKCInstance(&error) : unorm2_getNFCInstance(&error);
}

void AppendDecomposition(const UNormalizer2* tables, UChar32 character,
                         std::vector<ClassedCharacter>* out) {
  if (character < 0x80 || !IsInUnicode9(character)) {
    out->push_back(Classed(character, 0));
    return;
  }
  // The longest full decomposition has 18 units (U+FDFA).
  std::array<UChar, 64> units;
  UErrorCode error = U_ZERO_ERROR;
  const int32_t length =
      unorm2_getDecomposition(tables, character, units.data(), units.size(), &error);
  if (length < 0 || U_FAILURE(error)) {
    out->push_back(Classed(character, u_getCombiningClass(character)));
    return;
  }
  for (int32_t i = 0; i < length;) {
    UChar32 part;
    U16_NEXT(units.data(), i, length, part);
    out->push_back(Classed(part, u_getCombiningClass(part)));
  }
}

// Sorts each run of marks by class, equal classes in the order they came.
void Reorder(std::vector<ClassedCharacter>* text) {
  const auto by_class = [](ClassedCharacter a, ClassedCharacter b) {
    return ClassOfMark(a) < ClassOfMark(b);
  };
  const auto is_mark = [](ClassedCharacter c) { return ClassOfMark(c) != 0; };
  for (auto begin = text->begin(); begin != text->end();) {
    begin = std::find_if(begin, text->end(), is_mark);
    const auto end = std::find_if_not(begin, text->end(), is_mark);
    if (!std::is_sorted(begin, end, by_class)) std::stable_sort(begin, end, by_class);
    begin = end;
  }
}

// The canonical composition algorithm of Unicode, section 3.11, in place.
void Compose(std::vector<ClassedCharacter>* text) {
  const UNormalizer2* tables = Tables(/*compatibility=*/false);
  constexpr size_t kNone = SIZE_MAX;
  size_t starter = kNone;
  size_t size = 0;
  for (const ClassedCharacter c : *text) {
    const uint32_t combining_class = ClassOfMark(c);
    // A mark between them of the same or a higher class blocks; marks are in order by now.
    const bool adjacent = starter + 1 == size;
    const bool blocked = !adjacent && ClassOfMark((*text)[size - 1]) >= combining_class;
    if (starter != kNone && !blocked && CharacterOf(c) >= kFirstCombining) {
      const UChar32 composite =
          unorm2_composePair(tables, CharacterOf((*text)[starter]), CharacterOf(c));
      if (composite >= 0 && IsInUnicode9(composite)) {
        (*text)[starter] = Classed(composite, 0);
        continue;
      }
    }
    if (combining_class == 0) starter = size;
    (*text)[size++] = c;
  }
  text->resize(size);
}

std::string ApplyForm(Normalizer::Form form, std::string_view text) {
  using Form = Normalizer::Form;
  const UNormalizer2* tables = Tables(form == Form::kNfkc || form == Form::kNfkd);
  std::vector<ClassedCharacter> characters;
  characters.reserve(text.size());
  for (size_t position = 0; position < text.size();) {
    AppendDecomposition(tables, static_cast<UChar32>(NextCodePoint(text, &position)), &characters);
  }
  Reorder(&characters);
  if (form == Form::kNfc || form == Form::kNfkc) Compose(&characters);
  std::string normalized;
  normalized.reserve(text.size());
  for (const ClassedCharacter c : characters) {
    AppendUtf8(static_cast<char32_t>(CharacterOf(c)), &normalized);
  }
  return normalized;
}

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

}  // namespace

absl::StatusOr<Normalizer> Normalizer::FromJson(const JsonNode& node) {
  Normalizer normalizer;
  SCANSERVE_ASSIGN_OR_RETURN(const auto parts, FlattenSequence(node, "normalizers"));
  for (const JsonNode& part : parts) {
    SCANSERVE_ASSIGN_OR_RETURN(const std::string type, part.String("type"));
    const auto known = std::find_if(kFormNames.begin(), kFormNames.end(),
                                    [&](const auto& entry) { return entry.second == type; });
    if (known == kFormNames.end()) {
      return part.Error(absl::StrCat(
          "type ", Quoted(type), " is not supported, expected NFC, NFD, NFKC, NFKD or Sequence"));
    }
    normalizer.forms_.push_back(known->first);
  }
  return normalizer;
}

std::string Normalizer::Normalize(std::string_view text) const {
  std::string normalized(text);
  if (IsAscii(text)) return normalized;
  for (const Form form : forms_) normalized = ApplyForm(form, normalized);
  return normalized;
}

nlohmann::json Normalizer::Canonical() const {
  nlohmann::json names = nlohmann::json::array();
  for (const Form form : forms_) names.push_back(kFormNames[static_cast<size_t>(form)].second);
  return names;
}

}  // namespace scanserve::model
