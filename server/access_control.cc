#include "server/access_control.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/file.h"
#include "core/base/sha256.h"
#include "core/base/status_macros.h"

namespace scanserve::server {
namespace {

constexpr absl::string_view kScheme = "Bearer ";

}  // namespace

absl::Status CheckRole(base::Role has, base::Role needs) {
  if (has == base::Role::kAdmin || has == needs) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat(
      "needs the role ", base::RoleName(needs), "; the token has the role ", base::RoleName(has)));
}

absl::StatusOr<std::unique_ptr<AccessControl>> AccessControl::Create(
    const SecurityOptions& options) {
  std::unique_ptr<AccessControl> access(new AccessControl(options));
  SCANSERVE_RETURN_IF_ERROR(access->Reload().status());
  return access;
}

absl::StatusOr<bool> AccessControl::Reload() {
  if (!uses_tokens()) return false;
  absl::StatusOr<bool> changed = ReadTokens();
  tokens_stale_ = !changed.ok();
  return changed;
}

absl::StatusOr<bool> AccessControl::ReadTokens() {
  SCANSERVE_ASSIGN_OR_RETURN(std::string text,
                             base::ReadFile(options_.tokens, base::kMaxTokenListBytes));
  absl::StatusOr<base::TokenList> list = base::TokenList::Parse(text);
  if (!list.ok()) return base::InFile(options_.tokens, list.status());
  base::MutexLock lock(mutex_);
  if (tokens_ != nullptr && text == text_) return false;
  digest_ = base::Sha256Hex(text);
  text_ = std::move(text);
  tokens_ = std::make_shared<const base::TokenList>(*std::move(list));
  return true;
}

std::string AccessControl::token_list_digest() const {
  base::MutexLock lock(mutex_);
  return digest_;
}

std::shared_ptr<const base::TokenList> AccessControl::tokens() const {
  base::MutexLock lock(mutex_);
  return tokens_;
}

absl::StatusOr<std::string> AccessControl::Authorize(const Credentials& credentials,
                                                     base::Role role, absl::Time now) const {
  SCANSERVE_ASSIGN_OR_RETURN(Caller caller, Identify(credentials, now));
  SCANSERVE_RETURN_IF_ERROR(CheckRole(caller.role, role));
  return std::move(caller.id);
}

absl::StatusOr<Caller> AccessControl::Identify(const Credentials& credentials,
                                               absl::Time now) const {
  const std::shared_ptr<const base::TokenList> list = tokens();
  if (list == nullptr) {
    if (options_.tls_client_ca.empty()) return Caller();
    if (credentials.certificate_name.empty()) {
      return absl::UnauthenticatedError("a client certificate is needed");
    }
    return Caller{absl::StrCat("certificate:", credentials.certificate_name), base::Role::kAdmin};
  }
  absl::string_view token = credentials.authorization;
  if (!absl::ConsumePrefix(&token, kScheme)) {
    return absl::UnauthenticatedError("a token is needed: authorization: Bearer TOKEN");
  }
  const base::TokenRecord* record = list->Find(token);
  if (record == nullptr) return absl::UnauthenticatedError("the token is not known");
  if (now >= record->expires) {
    return absl::UnauthenticatedError(
        absl::StrCat("the token expired at ", base::FormatExpiry(record->expires)));
  }
  return Caller{absl::StrCat("token:", record->id), record->role};
}

}  // namespace scanserve::server
