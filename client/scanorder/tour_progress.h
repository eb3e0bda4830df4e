// Shows how far the search for a tour has come.
#pragma once

#include <functional>

#include "client/progress_bar.h"
#include "core/order/tour_options.h"

namespace scanserve::client {

// What TourOptions::on_progress takes for `options`: it moves `bar`, which outlives it.
std::function<bool(const order::TourProgress&)> ShowsProgress(const order::TourOptions& options,
                                                              ProgressBar& bar);

}  // namespace scanserve::client
