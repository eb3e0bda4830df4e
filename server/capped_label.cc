#include "server/capped_label.h"

namespace scanserve::server {

std::string CappedLabel::Value(const std::string& value) {
  if (value.empty() || value == ours_) return value;
  base::MutexLock lock(mutex_);
  if (seen_.contains(value)) return value;
  if (seen_.size() >= kMaxValues) return kOther;
  seen_.insert(value);
  return value;
}

}  // namespace scanserve::server
