// Differences of two arms as pictures: SVG elements for the inside of a page, whose style sheet has
// the colours --ink, --line, --band and --b.
#pragma once

#include <string>
#include <vector>

#include "client/scanctl/position_profile.h"
#include "scanserve/v1/inference_service.pb.h"

namespace scanserve::client {

// The interval in force as a bar, over 0 and the band of the margin. `estimate` has an interval.
std::string IntervalPlot(const v1::CompareEstimate& estimate, double margin);

// One point with its interval for each range, from left to right.
std::string DifferencePlot(const std::vector<PositionRange>& ranges);

}  // namespace scanserve::client
