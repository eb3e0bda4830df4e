// UTF-8, one character at a time.
#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"

namespace scanserve::client {

struct Utf8Character {
  char32_t code_point = 0;  // U+FFFD when not valid
  size_t bytes = 1;         // that it takes; 1 when not valid
  bool valid = false;
};

// The first character of `text`, which is not empty. Overlong forms, surrogates and code points
// past U+10FFFF are not valid.
Utf8Character DecodeUtf8(absl::string_view text);

// Whether Python's str.isspace holds: what str.strip removes.
bool IsPythonSpace(char32_t character);

}  // namespace scanserve::client
