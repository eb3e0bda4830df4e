// UTF-8: finding, replacing and reading characters. Invalid bytes are grouped as Unicode's "maximal
// subparts" (chapter 3, table 3-7), which is what Python's decode("utf-8", "replace") and Rust's
// from_utf8_lossy do. Thread-safe: no state.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace scanserve::model {

// What stands at the start of some bytes: a character, or bytes that become one U+FFFD.
struct Utf8Unit {
  char32_t code_point;  // U+FFFD when not `valid`
  size_t size;          // bytes, at least 1
  bool valid;
  bool truncated;  // not valid, but more bytes at the end could make it so
};

// `bytes` must not be empty.
Utf8Unit ReadUtf8(std::string_view bytes);

// The code point that begins at `*position` of valid UTF-8; moves `*position` behind it.
char32_t NextCodePoint(std::string_view valid_utf8, size_t* position);
// The code point that ends before `end` (> 0) of valid UTF-8.
char32_t PreviousCodePoint(std::string_view valid_utf8, size_t end);

void AppendUtf8(char32_t code_point, std::string* text);

// The offset of the first byte that is not part of valid UTF-8; no value when all of it is.
std::optional<size_t> FindInvalidUtf8(std::string_view bytes);

// Replaces what is not valid UTF-8 by U+FFFD as Python's bytes.decode("utf-8", "replace") does.
std::string ReplaceInvalidUtf8(std::string_view bytes);

}  // namespace scanserve::model
