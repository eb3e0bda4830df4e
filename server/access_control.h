// Who a caller is and whether it may: the tokens, the role table and the rate of each caller.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/base/access_token.h"
#include "core/base/mutex.h"
#include "server/rate_limiter.h"
#include "server/security_options.h"

namespace scanserve::server {

// What a caller showed.
struct Credentials {
  // The value of the metadatum "authorization"; empty when there is none.
  std::string authorization;
  // Of the client's certificate, which TLS has verified; empty when there is none.
  std::string certificate_name;
};

struct Caller {
  // "token:ID" or "certificate:NAME"; empty when calls are not authenticated.
  std::string id;
  base::Role role = base::Role::kAdmin;
};

// PERMISSION_DENIED when a caller of the role `has` may not do what needs the role `needs`.
absl::Status CheckRole(base::Role has, base::Role needs);

// Thread-safe.
class AccessControl {
 public:
  // Reads the tokens. NOT_FOUND, INVALID_ARGUMENT or UNAVAILABLE name the file and what is wrong
  // with it.
  static absl::StatusOr<std::unique_ptr<AccessControl>> Create(const SecurityOptions& options);

  // Tokens decide where there are any. UNAUTHENTICATED without a valid token or certificate.
  absl::StatusOr<Caller> Identify(const Credentials& credentials, absl::Time now) const;
  // Who calls, as Caller::id. Errors of Identify; PERMISSION_DENIED when it is not of `role`.
  absl::StatusOr<std::string> Authorize(const Credentials& credentials, base::Role role,
                                        absl::Time now) const;

  // Counts a call of `caller`; RESOURCE_EXHAUSTED as RateLimiter::Take.
  absl::Status TakeTurn(absl::string_view caller, absl::Time now) {
    return limiter_.Take(caller, now);
  }

  // Reads the tokens again; true when they changed. The old ones stay when it fails.
  absl::StatusOr<bool> Reload();
  bool uses_tokens() const { return !options_.tokens.empty(); }
  // The last Reload failed: the list in force may be older than the file.
  bool tokens_stale() const { return tokens_stale_.load(); }
  // SHA-256 of the list in force, 64 hex digits; empty when there is none.
  std::string token_list_digest() const;

 private:
  explicit AccessControl(const SecurityOptions& options)
      : options_(options), limiter_(options.max_requests_per_second, options.request_burst) {}

  absl::StatusOr<bool> ReadTokens();
  std::shared_ptr<const base::TokenList> tokens() const;

  const SecurityOptions options_;
  RateLimiter limiter_;
  std::atomic<bool> tokens_stale_{false};
  mutable base::Mutex mutex_;
  std::string text_ ABSL_GUARDED_BY(mutex_);
  std::string digest_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const base::TokenList> tokens_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace scanserve::server
