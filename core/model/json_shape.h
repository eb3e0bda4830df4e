// What a JSON text holds, told before anything is built from it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace scanserve::model {

// Deeper nesting than any file here has. Copying and printing a value recurse into it: without a
// limit a file of brackets would overflow the stack.
inline constexpr int kMaxJsonDepth = 64;

struct JsonShape {
  // False for a text that is not JSON; the rest then tells of what stands before the fault.
  bool valid = false;
  // Past kMaxJsonDepth, where reading ends.
  bool too_deep = false;
  // Of all objects, with those that stand there twice.
  int64_t members = 0;
  // A key that stands in the outermost object twice, the last one.
  std::optional<std::string> repeated_key;
};

// Takes time in proportion to the text. (nlohmann's parser with a callback does not: at the end of
// each object it looks through all that its parent holds so far.)
JsonShape ReadJsonShape(absl::string_view text);

}  // namespace scanserve::model
