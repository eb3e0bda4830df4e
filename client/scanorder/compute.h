// `scanorder compute`: from a file of hidden states to a scan order, without a server.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "core/order/tour_options.h"

namespace scanserve::client {

struct ComputeOptions {
  std::string states;  // .npy of [tokens, width] float32, at most kMaxStatesBytes
  std::string out;     // folder that gets scan_order.npy and scan_order_inv.npy
  bool json = false;   // figures as one JSON object instead of lines
  order::TourOptions tour;
  std::string report;  // path of an HTML page to write; empty is none
};

// As much as one extraction can give, and its header.
inline constexpr int64_t kMaxStatesBytes = (int64_t{1} << 30) + 4096;

// Computes the order, writes it, and prints its figures to `figures`. On an
// error nothing is printed. NOT_FOUND for the states, INVALID_ARGUMENT for what they hold,
// UNAVAILABLE when the system cannot read or write.
absl::Status Compute(const ComputeOptions& options, std::ostream& figures);

}  // namespace scanserve::client
