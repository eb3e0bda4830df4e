// All that a scrape shows: counters and histograms that are kept, and values that are asked for at
// the moment of the scrape.
//
// Thread-safe. Made first and destroyed last: it is scraped while the model loads.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>

#include <memory>
#include <set>
#include <vector>

#include "core/base/mutex.h"

namespace scanserve::server {

class MetricRegistry {
 public:
  // For counters and histograms; they live as long as the registry.
  prometheus::Registry& kept() { return kept_; }

  // Asks `source` in each scrape until the attachment is gone. Its families have names of their
  // own.
  class Attachment {
   public:
    Attachment(MetricRegistry& registry, const prometheus::Collectable& source);
    // Waits for a scrape that is under way.
    ~Attachment();
    Attachment(const Attachment&) = delete;
    Attachment& operator=(const Attachment&) = delete;

   private:
    MetricRegistry& registry_;
    const prometheus::Collectable& source_;
  };

  // Everything now, by name; series of a family by labels.
  std::vector<prometheus::MetricFamily> Collect() const;

 private:
  prometheus::Registry kept_;
  mutable base::Mutex mutex_;
  std::set<const prometheus::Collectable*> sources_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace scanserve::server
