#include "core/model/tokenizer/byte_level.h"

#include <array>

#include "core/model/tokenizer/unicode_class.h"
#include "core/model/tokenizer/utf8.h"

namespace scanserve::model {
namespace {

constexpr int kNoByte = -1;
constexpr char32_t kFirstShifted = 0x100;
constexpr size_t kAlphabetEnd = 0x100 + 68;

constexpr bool StandsForItself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

// The byte of each character below kAlphabetEnd.
constexpr std::array<int, kAlphabetEnd> MakeByteOfCharacter() {
  std::array<int, kAlphabetEnd> bytes{};
  for (int& byte : bytes) byte = kNoByte;
  size_t shifted = kFirstShifted;
  for (int byte = 0; byte < 256; ++byte) bytes[StandsForItself(byte) ? byte : shifted++] = byte;
  return bytes;
}
constexpr std::array<int, kAlphabetEnd> kByteOfCharacter = MakeByteOfCharacter();

CharacterClass ClassAt(std::string_view text, size_t position, size_t* next) {
  *next = position;
  return ClassOf(NextCodePoint(text, next));
}

size_t EndOfRun(std::string_view text, size_t begin, CharacterClass run) {
  for (size_t position = begin, next; position < text.size(); position = next) {
    if (ClassAt(text, position, &next) != run) return position;
  }
  return text.size();
}

// The end of the contraction at `begin`; `begin` when there is none. Only lower case counts.
size_t EndOfContraction(std::string_view text, size_t begin) {
  for (const std::string_view contraction : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
    if (text.substr(begin, contraction.size()) == contraction) return begin + contraction.size();
  }
  return begin;
}

// White space before something else leaves its last character to the word that follows: \s+(?!\S).
size_t EndOfSpaces(std::string_view text, size_t begin) {
  size_t last = begin;
  size_t end = begin;
  for (size_t next; end < text.size(); end = next) {
    if (ClassAt(text, end, &next) != CharacterClass::kSpace) return last > begin ? last : end;
    last = end;
  }
  return end;
}

}  // namespace

std::optional<std::string> BytesOfByteLevelToken(std::string_view token) {
  std::string bytes;
  for (size_t position = 0; position < token.size();) {
    const char32_t character = NextCodePoint(token, &position);
    const int byte = character < kAlphabetEnd ? kByteOfCharacter[character] : kNoByte;
    if (byte == kNoByte) return std::nullopt;
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

std::string DecodedBytes(std::string_view token) {
  return BytesOfByteLevelToken(token).value_or(std::string(token));
}

size_t EndOfGpt2Word(std::string_view text, size_t begin) {
  if (text[begin] == '\'') {
    const size_t end = EndOfContraction(text, begin);
    if (end > begin) return end;
  }
  const size_t body = text[begin] == ' ' ? begin + 1 : begin;
  if (body == text.size()) return body;
  size_t next;
  const CharacterClass run = ClassAt(text, body, &next);
  return run == CharacterClass::kSpace ? EndOfSpaces(text, begin) : EndOfRun(text, next, run);
}

}  // namespace scanserve::model
