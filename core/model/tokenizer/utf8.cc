#include "core/model/tokenizer/utf8.h"

namespace scanserve::model {
namespace {

constexpr char32_t kReplacement = 0xFFFD;
constexpr std::string_view kReplacementUtf8 = "\xEF\xBF\xBD";

uint8_t ByteAt(std::string_view bytes, size_t index) { return static_cast<uint8_t>(bytes[index]); }

struct Lead {
  size_t size;  // of the whole character; 0 when the byte begins none
  uint8_t second_least;
  uint8_t second_most;
};

// The second byte has a narrower range after some leads: overlong forms, surrogates, the end of
// Unicode.
Lead LeadOf(uint8_t byte) {
  if (byte < 0xC2 || byte > 0xF4) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte < 0xF0) {
    return {3, static_cast<uint8_t>(byte == 0xE0 ? 0xA0 : 0x80),
            static_cast<uint8_t>(byte == 0xED ? 0x9F : 0xBF)};
  }
  return {4, static_cast<uint8_t>(byte == 0xF0 ? 0x90 : 0x80),
          static_cast<uint8_t>(byte == 0xF4 ? 0x8F : 0xBF)};
}

}  // namespace

Utf8Unit ReadUtf8(std::string_view bytes) {
  const uint8_t first = ByteAt(bytes, 0);
  if (first < 0x80) return {first, 1, true, false};
  const Lead lead = LeadOf(first);
  if (lead.size == 0) return {kReplacement, 1, false, false};
  char32_t code_point = first & (0x7F >> lead.size);
  for (size_t i = 1; i < lead.size; ++i) {
    if (i == bytes.size()) return {kReplacement, i, false, true};
    const uint8_t byte = ByteAt(bytes, i);
    const uint8_t least = i == 1 ? lead.second_least : 0x80;
    const uint8_t most = i == 1 ? lead.second_most : 0xBF;
    if (byte < least || byte > most) return {kReplacement, i, false, false};
    code_point = (code_point << 6) | (byte & 0x3F);
  }
  return {code_point, lead.size, true, false};
}

char32_t NextCodePoint(std::string_view valid_utf8, size_t* position) {
  const Utf8Unit unit = ReadUtf8(valid_utf8.substr(*position));
  *position += unit.size;
  return unit.code_point;
}

char32_t PreviousCodePoint(std::string_view valid_utf8, size_t end) {
  size_t begin = end - 1;
  while (begin > 0 && (ByteAt(valid_utf8, begin) & 0xC0) == 0x80) --begin;
  return NextCodePoint(valid_utf8, &begin);
}

void AppendUtf8(char32_t code_point, std::string* text) {
  const auto append_tail = [&](int shift) {
    for (; shift >= 0; shift -= 6)
      text->push_back(static_cast<char>(0x80 | ((code_point >> shift) & 0x3F)));
  };
  if (code_point < 0x80) {
    text->push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    text->push_back(static_cast<char>(0xC0 | (code_point >> 6)));
    append_tail(0);
  } else if (code_point < 0x10000) {
    text->push_back(static_cast<char>(0xE0 | (code_point >> 12)));
    append_tail(6);
  } else {
    text->push_back(static_cast<char>(0xF0 | (code_point >> 18)));
    append_tail(12);
  }
}

std::optional<size_t> FindInvalidUtf8(std::string_view bytes) {
  for (size_t position = 0; position < bytes.size();) {
    if (ByteAt(bytes, position) < 0x80) {
      ++position;
      continue;
    }
    const Utf8Unit unit = ReadUtf8(bytes.substr(position));
    if (!unit.valid) return position;
    position += unit.size;
  }
  return std::nullopt;
}

std::string ReplaceInvalidUtf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (size_t position = 0; position < bytes.size();) {
    const Utf8Unit unit = ReadUtf8(bytes.substr(position));
    text.append(unit.valid ? bytes.substr(position, unit.size) : kReplacementUtf8);
    position += unit.size;
  }
  return text;
}

}  // namespace scanserve::model
