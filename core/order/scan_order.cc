#include "core/order/scan_order.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/npy.h"
#include "core/base/sha256.h"
#include "core/base/status_macros.h"

namespace scanserve::order {
namespace {

std::string Digest(absl::Span<const int64_t> pi) {
  base::Sha256 sha;
  sha.Update(absl::string_view("scanserve.order.v1\0", 19));
  const uint64_t size = pi.size();
  sha.Update({reinterpret_cast<const char*>(&size), sizeof(size)});
  sha.Update({reinterpret_cast<const char*>(pi.data()), pi.size() * sizeof(int64_t)});
  return sha.FinishHex();
}

absl::Status CheckPermutation(absl::Span<const int64_t> entries) {
  const int64_t size = static_cast<int64_t>(entries.size());
  std::vector<int32_t> seen_at(entries.size(), -1);
  for (size_t k = 0; k < entries.size(); ++k) {
    const int64_t entry = entries[k];
    if (entry < 0 || entry >= size) {
      return absl::InvalidArgumentError(
          absl::StrCat("scan order: entry ", k, " is ", entry, ", expected 0 to ", size - 1));
    }
    int32_t& first = seen_at[static_cast<size_t>(entry)];
    if (first >= 0) {
      return absl::InvalidArgumentError(absl::StrCat("scan order: entry ", k, " is ", entry,
                                                     ", which entry ", first, " is already"));
    }
    first = static_cast<int32_t>(k);
  }
  return absl::OkStatus();
}

}  // namespace

ScanOrder::ScanOrder(std::vector<int32_t> pi, std::string digest)
    : pi_(std::move(pi)), rank_(Inverse(pi_)), digest_(std::move(digest)) {}

absl::StatusOr<std::shared_ptr<const ScanOrder>> ScanOrder::FromNpy(absl::string_view npy) {
  SCANSERVE_ASSIGN_OR_RETURN(const std::vector<int64_t> entries,
                             base::ParseNpyIntegers(npy, kMaxEntries));
  return FromEntries(entries);
}

absl::StatusOr<std::shared_ptr<const ScanOrder>> ScanOrder::FromEntries(
    absl::Span<const int64_t> entries) {
  if (entries.empty() || entries.size() > size_t{kMaxEntries}) {
    return absl::InvalidArgumentError(
        absl::StrCat("scan order: ", entries.size(), " entries, expected 1 to ", kMaxEntries));
  }
  SCANSERVE_RETURN_IF_ERROR(CheckPermutation(entries));
  return std::shared_ptr<const ScanOrder>(
      new ScanOrder(std::vector<int32_t>(entries.begin(), entries.end()), Digest(entries)));
}

std::string DigestOf(const ScanOrder* order) {
  return order == nullptr ? std::string() : order->digest();
}

std::vector<int32_t> Inverse(absl::Span<const int32_t> permutation) {
  std::vector<int32_t> inverse(permutation.size());
  for (size_t k = 0; k < permutation.size(); ++k) {
    inverse[static_cast<size_t>(permutation[k])] = static_cast<int32_t>(k);
  }
  return inverse;
}

namespace {

// Few positions are sorted by where they stand: it costs no look at all entries of a long order.
void AppendBelow(const ScanOrder& order, int64_t length, std::vector<int32_t>& effective) {
  constexpr int64_t kFewer = 16;
  if (length > order.size() / kFewer) {
    std::ranges::copy_if(order.pi(), std::back_inserter(effective),
                         [length](int32_t position) { return position < length; });
    return;
  }
  effective.resize(static_cast<size_t>(length));
  std::iota(effective.begin(), effective.end(), 0);
  std::ranges::sort(effective, {}, [rank = order.rank()](int32_t position) {
    return rank[static_cast<size_t>(position)];
  });
}

}  // namespace

std::vector<int32_t> EffectiveOrder(const ScanOrder* order, int64_t length, Readout readout) {
  SCANSERVE_CHECK(length >= 1 && length <= std::numeric_limits<int32_t>::max());
  std::vector<int32_t> effective;
  effective.reserve(static_cast<size_t>(length));
  if (order != nullptr) {
    AppendBelow(*order, length, effective);
  }
  const size_t named = effective.size();
  effective.resize(static_cast<size_t>(length));
  std::iota(effective.begin() + static_cast<std::ptrdiff_t>(named), effective.end(),
            static_cast<int32_t>(named));
  if (readout == Readout::kPinLast) {
    const auto last = std::ranges::find(effective, static_cast<int32_t>(length - 1));
    std::rotate(last, last + 1, effective.end());
  }
  return effective;
}

}  // namespace scanserve::order
