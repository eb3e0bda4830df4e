// Where gRPC's watcher finds the certificates in use: a link that changes from one complete set to
// the next in one step.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/certificates.h"

namespace scanserve::server {

// Not thread-safe. Readable by its owner alone, and removed in the end: it holds the key.
class CertificateFolder {
 public:
  // A new folder inside `runtime_folder`, which is made when it is not there; inside the system's
  // temporary folder when that is empty. UNAVAILABLE when the system cannot.
  static absl::StatusOr<CertificateFolder> Create(const std::string& runtime_folder);
  ~CertificateFolder();
  CertificateFolder(CertificateFolder&& other) noexcept;
  CertificateFolder& operator=(CertificateFolder&&) = delete;

  // Makes `set` the current one. UNAVAILABLE when the system cannot; the old one then stays.
  absl::Status Install(const CertificateSet& set);

  // Paths that lead to the current set.
  CertificateFiles files() const;

 private:
  explicit CertificateFolder(std::string folder) : folder_(std::move(folder)) {}
  std::string SetFolder(int number) const;

  std::string folder_;
  int installed_ = 0;
};

}  // namespace scanserve::server
