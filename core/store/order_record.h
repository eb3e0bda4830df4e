// What the store says of a stored scan order, and how callers name one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/order/provenance.h"
#include "core/order/scan_order.h"

namespace scanserve::store {

// The reserved name of natural order.
inline constexpr absl::string_view kIdentityName = "identity";

// One stored version of a scan order. Identity is {name "identity", version 0, no digest, length
// 0}.
struct OrderRecord {
  std::string name;
  int64_t version = 0;  // 1, 2, ..
  std::string digest;   // ScanOrder::digest()
  int64_t length = 0;   // P
  // SHA-256 of the .npy as it was uploaded; empty for one that was stored before this was kept.
  std::string file_sha256;
  absl::Time created;
  std::optional<order::Provenance> provenance;  // none when the uploader gave none
  // The model that the order was last stored for by force, though its provenance names another
  // model or tokenizer; empty: none.
  std::string forced_for_model;

  bool is_identity() const { return name == kIdentityName; }
  friend bool operator==(const OrderRecord&, const OrderRecord&) = default;
};

// Names a version: by name (version 0 is the newest), by digest (64 hex digits), or by both, which
// must then agree.
struct OrderRef {
  std::string name;
  int64_t version = 0;
  std::string digest;
};

// A version with its order, null for identity. The order counts as in use while it is held.
struct LoadedOrder {
  OrderRecord record;
  std::shared_ptr<const order::ScanOrder> order;
};

// INVALID_ARGUMENT unless `name` is 1 to 64 of [A-Za-z0-9._-] and starts with no dot.
absl::Status ValidateName(absl::string_view name);

// As ValidateName; `identity` is INVALID_ARGUMENT too.
absl::Status ValidateOrderName(absl::string_view name);

// Whether `text` is a SHA-256 as 64 lower-case hex digits.
bool IsDigest(absl::string_view text);

// A caller's text as it may stand in a message or a log: escaped, cut to 64 bytes, in quotes.
std::string QuotedForMessage(absl::string_view text);

}  // namespace scanserve::store
