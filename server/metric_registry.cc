#include "server/metric_registry.h"

#include <algorithm>
#include <iterator>

namespace scanserve::server {

MetricRegistry::Attachment::Attachment(MetricRegistry& registry,
                                       const prometheus::Collectable& source)
    : registry_(registry), source_(source) {
  base::MutexLock lock(registry_.mutex_);
  registry_.sources_.insert(&source_);
}

MetricRegistry::Attachment::~Attachment() {
  base::MutexLock lock(registry_.mutex_);
  registry_.sources_.erase(&source_);
}

std::vector<prometheus::MetricFamily> MetricRegistry::Collect() const {
  std::vector<prometheus::MetricFamily> families = kept_.Collect();
  {
    base::MutexLock lock(mutex_);
    for (const prometheus::Collectable* source : sources_) {
      std::vector<prometheus::MetricFamily> more = source->Collect();
      std::move(more.begin(), more.end(), std::back_inserter(families));
    }
  }
  std::ranges::sort(families, {}, &prometheus::MetricFamily::name);
  for (prometheus::MetricFamily& family : families) {
    std::ranges::sort(family.metric, {}, &prometheus::ClientMetric::label);
  }
  return families;
}

}  // namespace scanserve::server
