#include "client/utf8.h"

#include <array>

namespace scanserve::client {

Utf8Character DecodeUtf8(absl::string_view text) {
  constexpr Utf8Character kInvalid = {.code_point = 0xFFFD, .bytes = 1, .valid = false};
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {.code_point = lead, .bytes = 1, .valid = true};
  const size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return kInvalid;
  char32_t code_point = lead & (0x7F >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0) != 0x80) return kInvalid;
    code_point = (code_point << 6) | (next & 0x3F);
  }
  constexpr std::array<char32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
  if (code_point < kSmallest[bytes] || code_point > 0x10FFFF || surrogate) return kInvalid;
  return {.code_point = code_point, .bytes = bytes, .valid = true};
}

bool IsPythonSpace(char32_t character) {
  return (character >= 0x09 && character <= 0x0D) || (character >= 0x1C && character <= 0x20) ||
         character == 0x85 || character == 0xA0 || character == 0x1680 ||
         (character >= 0x2000 && character <= 0x200A) || character == 0x2028 ||
         character == 0x2029 || character == 0x202F || character == 0x205F || character == 0x3000;
}

}  // namespace scanserve::client
