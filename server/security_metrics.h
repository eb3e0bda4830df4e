// What the server lets callers in by: until when its certificates are valid, how often they were
// read again, and whether its token list is the one on disk.
#pragma once

#include <prometheus/collectable.h>

#include <vector>

#include "server/access_control.h"
#include "server/server_certificates.h"

namespace scanserve::server {

// Thread-safe.
class SecurityMetrics final : public prometheus::Collectable {
 public:
  // Both outlive it. Without TLS `certificates` is null, and there is nothing to show of them; so
  // it is of tokens where none are asked for.
  SecurityMetrics(const AccessControl& access, const ServerCertificates* certificates)
      : access_(access), certificates_(certificates) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const AccessControl& access_;
  const ServerCertificates* const certificates_;
};

}  // namespace scanserve::server
