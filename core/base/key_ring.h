// Secret keys with names, as a text file holds them: one key a line, "ID KEY", the key as 64 hex
// digits, the newest last. Empty lines and lines that begin with # say nothing.
//
// Values; no state of their own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace scanserve::base {

inline constexpr size_t kSecretKeyBytes = 32;
inline constexpr size_t kMaxKeyIdBytes = 64;
inline constexpr size_t kMaxKeys = 100;
inline constexpr int64_t kMaxKeyRingFileBytes = 64 << 10;

struct SecretKey {
  // 1 to 64 of [A-Za-z0-9._-]; no secret.
  std::string id;
  // kSecretKeyBytes of them.
  std::string key;
};

// At least one key, no id twice.
class KeyRing {
 public:
  // INVALID_ARGUMENT names the line and what is wrong with it, never its content.
  static absl::StatusOr<KeyRing> Parse(absl::string_view text);
  // Of one key.
  explicit KeyRing(SecretKey key) { keys_.push_back(std::move(key)); }

  // What new data is sealed with.
  const SecretKey& newest() const { return keys_.back(); }
  // Null when there is none.
  const SecretKey* Find(absl::string_view id) const;
  const std::vector<SecretKey>& keys() const { return keys_; }

  // Makes `key` the newest; of the ring at most the `keep` newest stay, at least 1.
  void Add(SecretKey key, size_t keep);

  // As Parse() reads it.
  std::string ToText() const;

 private:
  KeyRing() = default;

  std::vector<SecretKey> keys_;
};

// A key of random bits whose id tells the day and differs from others'. UNAVAILABLE when the system
// gives no random bits.
absl::StatusOr<SecretKey> NewSecretKey(absl::Time now);

}  // namespace scanserve::base
