// The certificates of the gRPC port: until when they are valid, and how often they were read again.
#pragma once

#include <prometheus/collectable.h>

#include <vector>

#include "server/server_certificates.h"

namespace scanserve::server {

// Thread-safe.
class CertificateMetrics final : public prometheus::Collectable {
 public:
  // `certificates` outlives it; null, without TLS, has nothing to show.
  explicit CertificateMetrics(const ServerCertificates* certificates)
      : certificates_(certificates) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const ServerCertificates* const certificates_;
};

}  // namespace scanserve::server
