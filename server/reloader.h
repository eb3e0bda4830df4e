// Takes over changes of certificates, tokens and log level while the server runs.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/mutex.h"
#include "server/access_control.h"
#include "server/audit_log.h"
#include "server/periodic_task.h"
#include "server/server_certificates.h"

namespace scanserve::server {

// Looks at the files each second. What cannot be used is logged, and what was in use stays.
class Reloader {
 public:
  // Reads the configuration's log level again.
  using ReadLevel = std::function<absl::StatusOr<std::string>()>;

  // `access` and `certificates`, which may be null, outlive the reloader.
  Reloader(AccessControl& access, ServerCertificates* certificates, ReadLevel read_level);

  // On SIGHUP: the next look takes over the log level too, and says so when nothing changed.
  // Thread-safe.
  void RequestReload() { requested_.store(true); }

  // Who is told what was taken over, until it is null; waits for a telling that is under way.
  // Thread-safe.
  void TellTo(AuditLog* audit);

 private:
  void Look();
  void ReloadTokens();
  void ReloadCertificates();
  void ReloadLevel();
  void Tell(absl::string_view method, Change change);

  AccessControl& access_;
  ServerCertificates* const certificates_;
  const ReadLevel read_level_;
  std::atomic<bool> requested_{false};
  base::Mutex mutex_;
  AuditLog* audit_ ABSL_GUARDED_BY(mutex_) = nullptr;
  // Logged once, not each second.
  std::string token_fault_;
  PeriodicTask task_;
};

}  // namespace scanserve::server
