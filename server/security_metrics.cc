#include "server/security_metrics.h"

#include <utility>

#include "absl/time/time.h"
#include "server/metric_family.h"

namespace scanserve::server {
namespace {

using Families = std::vector<prometheus::MetricFamily>;

void AddCertificates(const ServerCertificates& certificates, Families& families) {
  families.push_back(GaugeOf("scanserve_certificate_expiry_timestamp_seconds",
                             "When the first certificate in use stops to be valid.", {},
                             absl::ToDoubleSeconds(certificates.expires() - absl::UnixEpoch())));
  prometheus::MetricFamily reloads =
      MakeFamily(prometheus::MetricType::Counter, "scanserve_certificate_reloads_total",
                 "New certificates that were found and taken over, or refused.");
  AddValue(reloads, {{"result", "ok"}}, static_cast<double>(certificates.reloads()));
  AddValue(reloads, {{"result", "failed"}}, static_cast<double>(certificates.failures()));
  families.push_back(std::move(reloads));
}

}  // namespace

Families SecurityMetrics::Collect() const {
  Families families;
  if (certificates_ != nullptr) AddCertificates(*certificates_, families);
  if (access_.uses_tokens()) {
    families.push_back(GaugeOf("scanserve_token_list_stale",
                               "1 while the token file cannot be read and an older list stays.", {},
                               access_.tokens_stale() ? 1 : 0));
  }
  return families;
}

}  // namespace scanserve::server
