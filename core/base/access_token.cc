#include "core/base/access_token.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/sha256.h"
#include "core/base/status_macros.h"

namespace scanserve::base {
namespace {

constexpr absl::string_view kHeader =
    "# Access tokens of ScanServe: \"ID ROLE SHA-256 EXPIRY\". `scanctl token new` adds one.\n";
constexpr absl::string_view kNever = "never";
constexpr absl::string_view kTimeFormat = "%Y-%m-%dT%H:%M:%SZ";
constexpr size_t kSecretBytes = 32;
constexpr size_t kDigestDigits = 64;
constexpr size_t kMaxIdBytes = 64;
constexpr size_t kIdDigits = 8;
constexpr std::pair<Role, absl::string_view> kRoles[] = {
    {Role::kInfer, "infer"}, {Role::kMetrics, "metrics"}, {Role::kAdmin, "admin"}};

bool IsTokenId(absl::string_view id) {
  return !id.empty() && id.size() <= kMaxIdBytes && std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  });
}

bool IsDigest(absl::string_view text) {
  return text.size() == kDigestDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isdigit(static_cast<unsigned char>(c)) || (c >= 'a' && c <= 'f');
         });
}

absl::StatusOr<TokenRecord> ParseLine(absl::string_view line) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  if (words.size() != 4) {
    return absl::InvalidArgumentError("expected an id, a role, a digest and an expiry");
  }
  if (!IsTokenId(words[0])) {
    return absl::InvalidArgumentError(
        absl::StrCat("the id must be 1 to ", kMaxIdBytes, " of [A-Za-z0-9._-]"));
  }
  TokenRecord record;
  record.id = std::string(words[0]);
  SCANSERVE_ASSIGN_OR_RETURN(record.role, ParseRole(words[1]));
  if (!IsDigest(words[2])) {
    return absl::InvalidArgumentError("the digest must be 64 lower-case hex digits");
  }
  record.digest = std::string(words[2]);
  std::string ignored;
  if (words[3] != kNever && !absl::ParseTime(kTimeFormat, words[3], &record.expires, &ignored)) {
    return absl::InvalidArgumentError("the expiry must be as in 2027-01-31T00:00:00Z, or never");
  }
  return record;
}

}  // namespace

absl::string_view RoleName(Role role) {
  return std::find_if(std::begin(kRoles), std::end(kRoles),
                      [role](const auto& each) { return each.first == role; })
      ->second;
}

absl::StatusOr<Role> ParseRole(absl::string_view name) {
  for (const auto& [role, role_name] : kRoles) {
    if (role_name == name) return role;
  }
  return absl::InvalidArgumentError("the role must be infer, metrics or admin");
}

absl::StatusOr<TokenList> TokenList::Parse(absl::string_view text) {
  TokenList list;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line.front() == '#') continue;
    absl::StatusOr<TokenRecord> record = ParseLine(line);
    const absl::Status added = record.ok() ? list.Add(*std::move(record)) : record.status();
    if (!added.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("line ", number, ": ", added.message()));
    }
  }
  return list;
}

const TokenRecord* TokenList::Find(absl::string_view token) const {
  const std::string digest = Sha256Hex(token);
  const auto found = std::lower_bound(
      records_.begin(), records_.end(), digest,
      [](const TokenRecord& record, const std::string& wanted) { return record.digest < wanted; });
  return found == records_.end() || found->digest != digest ? nullptr : &*found;
}

absl::Status TokenList::Add(TokenRecord record) {
  if (records_.size() == kMaxTokens) {
    return absl::InvalidArgumentError(absl::StrCat("more than ", kMaxTokens, " tokens"));
  }
  const auto place = std::lower_bound(
      records_.begin(), records_.end(), record,
      [](const TokenRecord& a, const TokenRecord& b) { return a.digest < b.digest; });
  const bool known = place != records_.end() && place->digest == record.digest;
  if (known || std::any_of(records_.begin(), records_.end(),
                           [&](const TokenRecord& each) { return each.id == record.id; })) {
    return absl::InvalidArgumentError("the id or the digest stands in an earlier line too");
  }
  records_.insert(place, std::move(record));
  return absl::OkStatus();
}

absl::Status TokenList::Remove(absl::string_view id) {
  const auto found = std::find_if(records_.begin(), records_.end(),
                                  [id](const TokenRecord& each) { return each.id == id; });
  if (found == records_.end()) return absl::NotFoundError(absl::StrCat("no token ", id));
  records_.erase(found);
  return absl::OkStatus();
}

std::string TokenList::ToText() const {
  std::vector<const TokenRecord*> sorted;
  for (const TokenRecord& record : records_) sorted.push_back(&record);
  std::sort(sorted.begin(), sorted.end(),
            [](const TokenRecord* a, const TokenRecord* b) { return a->id < b->id; });
  std::string text(kHeader);
  for (const TokenRecord* record : sorted) {
    absl::StrAppend(&text, record->id, " ", RoleName(record->role), " ", record->digest, " ",
                    FormatExpiry(record->expires), "\n");
  }
  return text;
}

absl::StatusOr<std::string> NewAccessToken() {
  std::array<unsigned char, kSecretBytes> bits{};
  if (RAND_bytes(bits.data(), static_cast<int>(bits.size())) != 1) {
    return absl::UnavailableError("the system gives no random bits");
  }
  const absl::string_view bytes(reinterpret_cast<const char*>(bits.data()), bits.size());
  return absl::StrCat("sst_", absl::WebSafeBase64Escape(bytes));
}

TokenRecord RecordOf(absl::string_view token, Role role, absl::Time expires, absl::Time now) {
  const std::string digest = Sha256Hex(token);
  return {absl::StrCat(absl::FormatTime("%Y-%m-%d", now, absl::UTCTimeZone()), "-",
                       digest.substr(0, kIdDigits)),
          role, digest, expires};
}

std::string FormatExpiry(absl::Time expires) {
  if (expires == absl::InfiniteFuture()) return std::string(kNever);
  return absl::FormatTime(kTimeFormat, expires, absl::UTCTimeZone());
}

}  // namespace scanserve::base
