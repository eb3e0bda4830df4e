#include "client/scanctl/bench_trace.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/message_json.h"

namespace scanserve::client {
namespace {

absl::Status FileFailure(const std::string& path) {
  return absl::UnavailableError(absl::StrCat("cannot write ", path, ": ", std::strerror(errno)));
}

double Seconds(BenchTime time) { return BenchSeconds(time.time_since_epoch()); }

}  // namespace

absl::StatusOr<std::unique_ptr<BenchTrace>> BenchTrace::Create(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return FileFailure(path);
  return std::unique_ptr<BenchTrace>(new BenchTrace(path, file));
}

BenchTrace::~BenchTrace() {
  if (file_ != nullptr) std::fclose(file_);
}

absl::Status BenchTrace::Append(const BenchMixEntry& entry, const BenchOutcome& outcome) {
  Json deliveries = Json::array();
  for (const BenchDelivery& delivery : outcome.deliveries) {
    deliveries.push_back({Seconds(delivery.time), delivery.tokens});
  }
  const std::string line = JsonLine({{"index", outcome.index},
                                     {"entry", outcome.entry},
                                     {"kind", BenchKindText(entry.kind)},
                                     {"intended", Seconds(outcome.intended)},
                                     {"sent", Seconds(outcome.sent)},
                                     {"finished", Seconds(outcome.finished)},
                                     {"deliveries", std::move(deliveries)},
                                     {"prompt_tokens", outcome.prompt_tokens},
                                     {"cached_tokens", outcome.cached_tokens},
                                     {"generated_tokens", outcome.generated_tokens},
                                     {"code", absl::StatusCodeToString(outcome.status.code())},
                                     {"message", std::string(outcome.status.message())}});
  const bool written = std::fwrite(line.data(), 1, line.size(), file_) == line.size();
  return written ? absl::OkStatus() : FileFailure(path_);
}

absl::Status BenchTrace::Finish() {
  return std::fclose(std::exchange(file_, nullptr)) == 0 ? absl::OkStatus() : FileFailure(path_);
}

}  // namespace scanserve::client
