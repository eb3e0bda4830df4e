// A check of a scan setting as a person reads it.
#pragma once

#include <string>

#include "scanserve/v1/scan_order_service.pb.h"

namespace scanserve::client {

// What was checked, a table of the classes, and the verdict.
std::string LeakReport(const v1::CheckScanSettingResponse& response, int columns, bool colour);

// The verdict as one sentence without a full stop.
std::string LeakVerdictText(const v1::CheckScanSettingResponse& response);

}  // namespace scanserve::client
