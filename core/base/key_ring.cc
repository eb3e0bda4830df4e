#include "core/base/key_ring.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/status_macros.h"

namespace scanserve::base {
namespace {

constexpr absl::string_view kHeader =
    "# Keys of ScanServe's sessions: \"ID KEY\", the newest last. Keep this file secret.\n";
constexpr size_t kIdBytes = 4;

bool IsKeyId(absl::string_view id) {
  return !id.empty() && id.size() <= kMaxKeyIdBytes &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' ||
                  c == '-';
         });
}

absl::StatusOr<SecretKey> ParseLine(absl::string_view line) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  if (words.size() != 2) return absl::InvalidArgumentError("expected an id and a key");
  if (!IsKeyId(words[0])) {
    return absl::InvalidArgumentError(
        absl::StrCat("the id must be 1 to ", kMaxKeyIdBytes, " of [A-Za-z0-9._-]"));
  }
  const bool hex = std::all_of(words[1].begin(), words[1].end(), [](char c) {
    return absl::ascii_isxdigit(static_cast<unsigned char>(c));
  });
  if (!hex || words[1].size() != 2 * kSecretKeyBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the key must be ", 2 * kSecretKeyBytes, " hex digits"));
  }
  return SecretKey{std::string(words[0]), absl::HexStringToBytes(words[1])};
}

}  // namespace

absl::StatusOr<KeyRing> KeyRing::Parse(absl::string_view text) {
  KeyRing ring;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line.front() == '#') continue;
    absl::StatusOr<SecretKey> key = ParseLine(line);
    if (key.ok() && ring.Find(key->id) != nullptr) {
      key = absl::InvalidArgumentError("the id stands in an earlier line too");
    }
    if (!key.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", number, ": ", key.status().message()));
    }
    ring.keys_.push_back(*std::move(key));
  }
  if (ring.keys_.empty()) return absl::InvalidArgumentError("no key");
  if (ring.keys_.size() > kMaxKeys) {
    return absl::InvalidArgumentError(absl::StrCat(ring.keys_.size(), " keys, at most ", kMaxKeys));
  }
  return ring;
}

const SecretKey* KeyRing::Find(absl::string_view id) const {
  const auto found =
      std::find_if(keys_.begin(), keys_.end(), [id](const SecretKey& key) { return key.id == id; });
  return found == keys_.end() ? nullptr : &*found;
}

void KeyRing::Add(SecretKey key, size_t keep) {
  keys_.push_back(std::move(key));
  if (keys_.size() > keep) {
    keys_.erase(keys_.begin(),
                keys_.end() - static_cast<std::ptrdiff_t>(std::max<size_t>(keep, 1)));
  }
}

std::string KeyRing::ToText() const {
  std::string text(kHeader);
  for (const SecretKey& key : keys_) {
    absl::StrAppend(&text, key.id, " ", absl::BytesToHexString(key.key), "\n");
  }
  return text;
}

absl::StatusOr<SecretKey> NewSecretKey(absl::Time now) {
  std::array<unsigned char, kSecretKeyBytes + kIdBytes> bits{};
  if (RAND_bytes(bits.data(), static_cast<int>(bits.size())) != 1) {
    return absl::UnavailableError("the system gives no random bits");
  }
  const absl::string_view bytes(reinterpret_cast<const char*>(bits.data()), bits.size());
  return SecretKey{absl::StrCat(absl::FormatTime("%Y-%m-%d", now, absl::UTCTimeZone()), "-",
                                absl::BytesToHexString(bytes.substr(kSecretKeyBytes))),
                   std::string(bytes.substr(0, kSecretKeyBytes))};
}

}  // namespace scanserve::base
