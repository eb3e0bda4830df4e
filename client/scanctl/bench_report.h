// What `scanctl bench` says at its end.
#pragma once

#include <string>

#include "client/message_json.h"
#include "client/scanctl/bench_load.h"
#include "client/scanctl/bench_results.h"
#include "client/scanctl/bench_settings.h"
#include "client/terminal.h"
#include "scanserve/v1/monitoring_service.pb.h"

namespace scanserve::client {

struct BenchReport {
  const std::string& server;
  const v1::GetServerInfoResponse& info;
  const BenchSettings& settings;
  const BenchResults& results;
  const BenchLoadResult& load;
};

// Tables for people, laid out for a terminal of `columns`.
std::string BenchReportText(const BenchReport& report, int columns, bool colour);

// Everything, settings included. Times in seconds.
Json BenchReportJson(const BenchReport& report);

}  // namespace scanserve::client
