// A scan order: the permutation of token positions in which the selective scan reads a prompt.
//
// Letters: pi[k] is the natural position that is scanned k-th, P the number of entries, L the
// number of tokens of a prompt. Everywhere, a null ScanOrder pointer means identity (natural
// order).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace scanserve::order {

// Which position's logits give the first generated token.
enum class Readout {
  kNaturalLast,  // L-1, which has read only the positions scanned before it
  kPinLast,      // L-1 too, moved to the end of the effective order: it has read the whole prompt
};

// Immutable and checked; shared by all that use it. Thread-safe.
class ScanOrder {
 public:
  static constexpr int64_t kMaxEntries = 1'048'576;
  // No .npy of kMaxEntries is larger: 8 bytes an entry and the largest header of format 1.0.
  static constexpr int64_t kMaxNpyBytes = kMaxEntries * 8 + (1 << 16) + 16;

  // From a .npy as ParseNpyIntegers reads it. INVALID_ARGUMENT naming the first entry that is out
  // of range or repeats an earlier one, for no entries, and for more than kMaxEntries.
  static absl::StatusOr<std::shared_ptr<const ScanOrder>> FromNpy(absl::string_view npy);
  static absl::StatusOr<std::shared_ptr<const ScanOrder>> FromEntries(
      absl::Span<const int64_t> entries);

  int64_t size() const { return static_cast<int64_t>(pi_.size()); }
  absl::Span<const int32_t> pi() const { return pi_; }
  // Its inverse: where each position stands in pi.
  absl::Span<const int32_t> rank() const { return rank_; }
  // SHA-256("scanserve.order.v1\0", uint64 P, pi as int64; little endian), 64 hex digits.
  const std::string& digest() const { return digest_; }

 private:
  ScanOrder(std::vector<int32_t> pi, std::string digest);

  const std::vector<int32_t> pi_;
  const std::vector<int32_t> rank_;
  const std::string digest_;
};

// The digest of `order`, empty for identity.
std::string DigestOf(const ScanOrder* order);

// The permutation that undoes `permutation`: result[permutation[k]] = k.
std::vector<int32_t> Inverse(absl::Span<const int32_t> permutation);

// `order` fitted to `length` tokens (1 or more, below 2^31): entries >= length are left out, and
// positions that it does not name follow in natural order. kPinLast then moves length-1 to the end.
std::vector<int32_t> EffectiveOrder(const ScanOrder* order, int64_t length, Readout readout);

}  // namespace scanserve::order
