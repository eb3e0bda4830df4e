#include "server/server_certificates.h"

#include <utility>

#include "absl/time/clock.h"
#include "core/base/status_macros.h"

namespace scanserve::server {
namespace {

// gRPC's watcher tells sets apart by the second in which they were written.
constexpr absl::Duration kBetweenSwaps = absl::Seconds(2);

}  // namespace

absl::StatusOr<std::unique_ptr<ServerCertificates>> ServerCertificates::Create(
    const SecurityOptions& options) {
  SCANSERVE_ASSIGN_OR_RETURN(CertificateFolder folder,
                             CertificateFolder::Create(options.runtime_dir));
  std::unique_ptr<ServerCertificates> certificates(new ServerCertificates(
      {options.tls_certificate, options.tls_key, options.tls_client_ca}, std::move(folder)));
  SCANSERVE_RETURN_IF_ERROR(certificates->Reload(absl::Now()).status());
  return certificates;
}

absl::StatusOr<bool> ServerCertificates::Reload(absl::Time now) {
  absl::StatusOr<CertificateSet> set = ReadCertificates(files_);
  base::MutexLock lock(mutex_);
  if (!set.ok()) {
    seen_.reset();
    if (last_error_ == set.status().message()) return false;
    return Fail(set.status());
  }
  if (seen_ == *set || now < installed_ + kBetweenSwaps) return false;
  seen_ = *set;
  absl::StatusOr<CertificateFacts> facts = CheckCertificates(*set, now);
  if (!facts.ok()) return Fail(facts.status());
  const absl::Status installed = folder_.Install(*set);
  if (!installed.ok()) return Fail(installed);
  last_error_.clear();
  facts_ = *std::move(facts);
  installed_ = now;
  ++installs_;
  return true;
}

absl::StatusOr<bool> ServerCertificates::Fail(absl::Status status) {
  last_error_ = std::string(status.message());
  ++failures_;
  return status;
}

CertificateFiles ServerCertificates::files_in_use() const {
  base::MutexLock lock(mutex_);
  return folder_.files();
}

absl::Time ServerCertificates::expires() const {
  base::MutexLock lock(mutex_);
  return facts_.expires;
}

std::string ServerCertificates::serial() const {
  base::MutexLock lock(mutex_);
  return facts_.serial;
}

int64_t ServerCertificates::reloads() const {
  base::MutexLock lock(mutex_);
  return installs_ - 1;
}

int64_t ServerCertificates::failures() const {
  base::MutexLock lock(mutex_);
  return failures_;
}

}  // namespace scanserve::server
