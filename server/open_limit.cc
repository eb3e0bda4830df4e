#include "server/open_limit.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/grpc_status.h"

namespace scanserve::server {

OpenLimit::OpenLimit(int32_t most, std::string what) : most_(most), what_(std::move(what)) {}

absl::StatusOr<OpenLimit::Place> OpenLimit::Enter() {
  const bool free = open_.fetch_add(1) < most_;
  Place place(this);
  if (free) return place;
  return WithRetryDelay(
      absl::ResourceExhaustedError(absl::StrCat(most_, " ", what_, " are open, which is all")),
      absl::Seconds(1));
}

}  // namespace scanserve::server
