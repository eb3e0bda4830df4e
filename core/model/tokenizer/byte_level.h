// GPT-2's byte-level alphabet and its rule for splitting text into words.
//
// Vocabularies hold printable characters that stand for bytes: '!' to '~', U+00A1 to U+00AC and
// U+00AE to U+00FF stand for themselves, the other 68 bytes for U+0100 onward. Thread-safe: no
// state.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace scanserve::model {

// The bytes that `token` (valid UTF-8) stands for; no value when a character stands for no byte.
std::optional<std::string> BytesOfByteLevelToken(std::string_view token);

// The bytes of `token` when it is decoded: those it stands for, or its own UTF-8.
std::string DecodedBytes(std::string_view token);

// The end of the word that begins at `begin` (< text.size()) of valid UTF-8, after GPT-2's pattern
// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// which covers any text. Written out, since ICU's matcher is several times slower.
size_t EndOfGpt2Word(std::string_view text, size_t begin);

}  // namespace scanserve::model
