// What the batch job hands out of a computed order: two .npy files, and its figures for people and
// scripts.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "client/table.h"
#include "core/order/computed_tour.h"

namespace scanserve::client {

// Writes scan_order.npy and scan_order_inv.npy (int64) into `folder`, which is made when it is not
// there. UNAVAILABLE when the system cannot.
absl::Status WriteOrderFiles(const order::TourReport& report, const std::string& folder);

// The figures, one on a line, and a table of the methods where there were several.
std::string TourText(const order::ComputedTour& tour);

// The same figures as one JSON object, without a line end.
std::string TourJson(const order::ComputedTour& tour);

// How the tour came about, for people: rows, method and what it was told.
Fields TourFields(const order::ComputedTour& tour, const order::TourOptions& options);

}  // namespace scanserve::client
