// Sealed sessions: what a client keeps between two requests, which only a server that has the key
// can read, and nobody can change.
//
// A blob is a header in the clear (format, key id, nonce, and what the session is bound to), its
// checksum, and the session under AES-256-GCM with the header as associated data. The checksum
// tells a damaged header from one that another key or server sealed; it protects nothing. Functions
// are thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/base/key_ring.h"
#include "core/store/active_setting.h"

namespace scanserve::server {

// Larger ones are neither made nor read.
inline constexpr int64_t kMaxSessionBytes = int64_t{64} << 20;

// What a session is bound to: where any of it differs, it is refused.
struct SessionBinding {
  // Who may go on with it: the identity that the caller has proved, empty when nobody asked. Only
  // its digest leaves the server.
  std::string caller_digest;
  std::string model_digest;
  // Empty is the base model.
  std::string adapter_digest;
  // The setting that read the first prompt, and the store's revision from which it was read.
  store::ScanSetting scan;
  int64_t revision = 0;
  absl::Time expires;
};

// What identities are compared by.
std::string CallerDigest(absl::string_view caller);

// Seals under the newest key. INVALID_ARGUMENT when the blob would have more than kMaxSessionBytes.
absl::StatusOr<std::string> SealSession(const base::KeyRing& ring, const SessionBinding& binding,
                                        absl::string_view session);

struct OpenedSession {
  SessionBinding binding;
  // For runtime::DecodeSession.
  std::string session;
};

// Opens what SealSession() made. INVALID_ARGUMENT when it is too large, altered or cut short;
// FAILED_PRECONDITION when the ring has not its key. Nothing is allocated for a length that lies.
absl::StatusOr<OpenedSession> OpenSession(const base::KeyRing& ring, absl::string_view sealed);

// FAILED_PRECONDITION when `binding` is of another caller or model, or is over at `now`.
absl::Status CheckSessionBinding(const SessionBinding& binding, absl::string_view caller_digest,
                                 absl::string_view model_digest, absl::Time now);

}  // namespace scanserve::server
