// Access tokens: what a caller shows to prove who it is, and the list by which a server knows them
// without holding any.
//
// The list is a text file, one token a line: "ID ROLE DIGEST EXPIRY", where ROLE is infer, metrics
// or admin, DIGEST the SHA-256 of the token's characters as 64 hex digits, and EXPIRY a UTC time as
// in 2027-01-31T00:00:00Z or "never". Empty lines and lines that begin with # say nothing.
//
// Values; no state of their own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace scanserve::base {

inline constexpr size_t kMaxTokens = 10'000;
inline constexpr int64_t kMaxTokenListBytes = 2 << 20;

// What a caller may do; admin may do what the others may too.
enum class Role { kInfer, kMetrics, kAdmin };
absl::string_view RoleName(Role role);
// INVALID_ARGUMENT names the roles that there are.
absl::StatusOr<Role> ParseRole(absl::string_view name);

struct TokenRecord {
  // 1 to 64 of [A-Za-z0-9._-]; no secret.
  std::string id;
  Role role = Role::kInfer;
  // 64 lower-case hex digits.
  std::string digest;
  absl::Time expires = absl::InfiniteFuture();
};

// No id and no digest twice.
class TokenList {
 public:
  TokenList() = default;
  // INVALID_ARGUMENT names the line and what is wrong with it, never its content.
  static absl::StatusOr<TokenList> Parse(absl::string_view text);

  // The record of `token`, expired or not; null when there is none.
  const TokenRecord* Find(absl::string_view token) const;
  const std::vector<TokenRecord>& records() const { return records_; }

  // INVALID_ARGUMENT when the list is full or has the id or the digest already.
  absl::Status Add(TokenRecord record);
  // NOT_FOUND when there is no such id.
  absl::Status Remove(absl::string_view id);

  // As Parse() reads it.
  std::string ToText() const;

 private:
  std::vector<TokenRecord> records_;
};

// "sst_" and 256 random bits in 43 characters. UNAVAILABLE when the system gives no random bits.
absl::StatusOr<std::string> NewAccessToken();
// Of a token made at `now`: an id that tells the day and differs from others'.
TokenRecord RecordOf(absl::string_view token, Role role, absl::Time expires, absl::Time now);

// "2027-01-31T00:00:00Z", or "never" of InfiniteFuture.
std::string FormatExpiry(absl::Time expires);

}  // namespace scanserve::base
