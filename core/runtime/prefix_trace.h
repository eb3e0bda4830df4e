// What a sequence's state has read since it was fresh, in the words of the prefix cache.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "core/runtime/prefix_cache.h"

namespace scanserve::runtime {

// Part of a Sequence; kept by PrefixReuse.
struct PrefixTrace {
  // Whether the state goes into the cache. All else has a meaning only then.
  bool active = false;
  PassKind kind;
  // What the state has read and, at the end, all of the present reading; as the scan takes them.
  std::vector<int32_t> tokens;
  // The state is stored where it has read a multiple of `block_tokens`, up to `limit_tokens`.
  int64_t block_tokens = 0;
  int64_t limit_tokens = 0;
  // Tokens of the present reading that came from the cache.
  int64_t hit_tokens = 0;
  // The row of the prompt whose logits its job needs, and its natural position. Its values are
  // there once it has been read.
  LogitsRow row;
  int64_t row_position = -1;

  // The largest chunk that ends no later than where the state is to be stored next. `left` tokens
  // of the present reading have not been read.
  int64_t ChunkTokens(int64_t left) const {
    if (!active) return left;
    const auto read = static_cast<int64_t>(tokens.size()) - left;
    const int64_t boundary = (read / block_tokens + 1) * block_tokens;
    return boundary > limit_tokens ? left : std::min(left, boundary - read);
  }

  // Called with the logits that the sequence's job gets.
  void KeepRow(int64_t position, absl::Span<const float> logits) {
    if (active && position == row_position) row.values.assign(logits.begin(), logits.end());
  }
};

}  // namespace scanserve::runtime
