// The certificates that the gRPC port shows, which follow the operator's files.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/base/mutex.h"
#include "server/certificate_folder.h"
#include "server/certificates.h"
#include "server/security_options.h"

namespace scanserve::server {

// Thread-safe.
class ServerCertificates {
 public:
  // Reads and checks the files. NOT_FOUND, INVALID_ARGUMENT or UNAVAILABLE say what is wrong with
  // them.
  static absl::StatusOr<std::unique_ptr<ServerCertificates>> Create(const SecurityOptions& options);

  // Reads the files again and takes over what changed and is good: true when something was. A set
  // that is not good is an error once, until it changes; the old one stays in use.
  absl::StatusOr<bool> Reload(absl::Time now);

  bool asks_clients() const { return !files_.client_ca.empty(); }
  // Paths of the set in use, for gRPC's watcher.
  CertificateFiles files_in_use() const;
  // When the first certificate in use stops to be valid.
  absl::Time expires() const;
  std::string serial() const;
  // Sets that were taken over after the first, and those that were not good.
  int64_t reloads() const;
  int64_t failures() const;

 private:
  ServerCertificates(CertificateFiles files, CertificateFolder folder)
      : files_(std::move(files)), folder_(std::move(folder)) {}

  absl::StatusOr<bool> Fail(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const CertificateFiles files_;
  mutable base::Mutex mutex_;
  CertificateFolder folder_ ABSL_GUARDED_BY(mutex_);
  // What was last looked at, good or not; nothing when it could not be read.
  std::optional<CertificateSet> seen_ ABSL_GUARDED_BY(mutex_);
  std::string last_error_ ABSL_GUARDED_BY(mutex_);
  CertificateFacts facts_ ABSL_GUARDED_BY(mutex_);
  absl::Time installed_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  int64_t installs_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t failures_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace scanserve::server
