// What the batch job hands out of a computed order: two .npy files, and its figures for people and
// scripts.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "core/order/correlation_tour.h"

namespace scanserve::client {

// Writes scan_order.npy and scan_order_inv.npy (int64) into `folder`, which is made when it is not
// there. UNAVAILABLE when the system cannot.
absl::Status WriteOrderFiles(const order::TourReport& report, const std::string& folder);

// The figures, one on a line.
std::string TourText(const order::TourReport& report);

// The same figures as one JSON object, without a line end.
std::string TourJson(const order::TourReport& report);

}  // namespace scanserve::client
