#include "server/reloader.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/log.h"

namespace scanserve::server {
namespace {

constexpr absl::Duration kBetweenLooks = absl::Seconds(1);

Change Detailed(std::string detail) {
  Change change;
  change.detail = std::move(detail);
  return change;
}

}  // namespace

Reloader::Reloader(AccessControl& access, ServerCertificates* certificates, ReadLevel read_level)
    : access_(access),
      certificates_(certificates),
      read_level_(std::move(read_level)),
      task_(kBetweenLooks, [this] { Look(); }) {}

void Reloader::Look() {
  const bool requested = requested_.exchange(false);
  ReloadTokens();
  if (certificates_ != nullptr) ReloadCertificates();
  if (!requested) return;
  ReloadLevel();
  LogInfo("reloaded");
}

void Reloader::TellTo(AuditLog* audit) {
  base::MutexLock lock(mutex_);
  audit_ = audit;
}

void Reloader::Tell(absl::string_view method, Change change) {
  base::MutexLock lock(mutex_);
  if (audit_ != nullptr) audit_->TellOwn(method, std::move(change));
}

void Reloader::ReloadTokens() {
  const std::string before = access_.token_list_digest();
  const absl::StatusOr<bool> changed = access_.Reload();
  const std::string fault(changed.status().message());
  if (!changed.ok() && fault != token_fault_)
    LogWarning("tokens not read again", {LogField::Whole("message", fault)});
  if (changed.ok() && *changed) {
    LogInfo("tokens read again");
    Change change;
    change.old_digest = before;
    change.new_digest = access_.token_list_digest();
    Tell("ReloadTokens", std::move(change));
  }
  token_fault_ = fault;
}

void Reloader::ReloadCertificates() {
  const absl::StatusOr<bool> changed = certificates_->Reload(absl::Now());
  if (!changed.ok()) {
    LogWarning("certificates not read again",
               {LogField::Whole("message", changed.status().message()),
                {"failures", certificates_->failures()}});
  } else if (*changed) {
    LogInfo("certificates read again", {{"serial", certificates_->serial()},
                                        {"expires", absl::FormatTime(certificates_->expires())}});
    Tell("ReloadCertificates", Detailed(absl::StrCat("serial=", certificates_->serial())));
  }
}

void Reloader::ReloadLevel() {
  const absl::StatusOr<std::string> level = read_level_();
  if (level.ok()) {
    SetLogLevel(*level);
    Tell("ReloadLogLevel", Detailed(absl::StrCat("level=", *level)));
  } else {
    LogWarning("configuration not read again",
               {LogField::Whole("message", level.status().message())});
  }
}

}  // namespace scanserve::server
