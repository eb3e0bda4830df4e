#include "server/certificate_metrics.h"

#include <utility>

#include "absl/time/time.h"
#include "server/metric_family.h"

namespace scanserve::server {

std::vector<prometheus::MetricFamily> CertificateMetrics::Collect() const {
  if (certificates_ == nullptr) return {};
  prometheus::MetricFamily reloads =
      MakeFamily(prometheus::MetricType::Counter, "scanserve_certificate_reloads_total",
                 "New certificates that were found and taken over, or refused.");
  AddValue(reloads, {{"result", "ok"}}, static_cast<double>(certificates_->reloads()));
  AddValue(reloads, {{"result", "failed"}}, static_cast<double>(certificates_->failures()));
  return {GaugeOf("scanserve_certificate_expiry_timestamp_seconds",
                  "When the first certificate in use stops to be valid.", {},
                  absl::ToDoubleSeconds(certificates_->expires() - absl::UnixEpoch())),
          std::move(reloads)};
}

}  // namespace scanserve::server
