// A file with what became of each request of a load test, for other programs to work on.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/scanctl/bench_call.h"
#include "client/scanctl/bench_settings.h"

namespace scanserve::client {

// One JSON object a line, in the order in which requests end, warm-up included. Times are seconds
// of the clock that Python calls time.monotonic(). Belongs to one thread.
class BenchTrace {
 public:
  // UNAVAILABLE, with the path and the reason, when the file cannot be written; so from all calls.
  static absl::StatusOr<std::unique_ptr<BenchTrace>> Create(const std::string& path);
  ~BenchTrace();
  BenchTrace(const BenchTrace&) = delete;
  BenchTrace& operator=(const BenchTrace&) = delete;

  absl::Status Append(const BenchMixEntry& entry, const BenchOutcome& outcome);
  absl::Status Finish();

 private:
  BenchTrace(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}

  const std::string path_;
  std::FILE* file_;
};

}  // namespace scanserve::client
