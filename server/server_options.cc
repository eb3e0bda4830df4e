#include "server/server_options.h"

#include <arpa/inet.h>

#include <set>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/store/order_record.h"

namespace scanserve::server {
namespace {

constexpr absl::Duration kMaxSessionTtl = absl::Hours(30 * 24);

// Collects every fault instead of stopping at the first.
class FaultList {
 public:
  void Require(bool holds, absl::string_view option, const std::string& value,
               absl::string_view accepted) {
    if (!holds) faults_.push_back(absl::StrCat(option, " ", value, ": ", accepted));
  }
  void RequireRange(absl::string_view option, int64_t value, int64_t low, int64_t high) {
    Require(value >= low && value <= high, option, absl::StrCat(value),
            absl::StrCat("must be ", low, " to ", high));
  }
  void RequireDuration(absl::string_view option, absl::Duration value, absl::Duration low) {
    Require(value >= low && value <= absl::Hours(24), option, absl::FormatDuration(value),
            absl::StrCat("must be ", absl::FormatDuration(low), " to 24h"));
  }
  absl::Status ToStatus() const {
    if (faults_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrJoin(faults_, "; "));
  }

 private:
  std::vector<std::string> faults_;
};

void CheckAddress(const ServerOptions& options, FaultList& faults) {
  const auto listen = ParseListen(options.listen);
  if (!listen.ok()) {
    faults.Require(false, "--listen", options.listen, listen.status().message());
    return;
  }
  faults.Require(
      IsLoopback(listen->first) || (options.insecure_no_tls && options.insecure_no_auth),
      "--listen", options.listen,
      "only loopback addresses are served without --insecure-no-tls and --insecure-no-auth");
}

void CheckAdapters(const AdapterOptions& adapters, FaultList& faults) {
  constexpr const char* kNameRule =
      "the name must be 1 to 64 of [A-Za-z0-9._-] and not start with a dot";
  std::set<std::string> names;
  for (const auto& [name, folder] : adapters.folders) {
    const std::string value = absl::StrCat(name, "=", folder);
    faults.Require(store::ValidateName(name).ok(), "--adapter", value, kNameRule);
    faults.Require(!folder.empty(), "--adapter", value, "the folder is missing");
    faults.Require(names.insert(name).second, "--adapter", value, "the name is given twice");
  }
  for (const std::string& name : adapters.merged) {
    faults.Require(store::ValidateName(name).ok(), "--merge-adapter", name, kNameRule);
  }
  faults.Require(adapters.default_name.empty() || store::ValidateName(adapters.default_name).ok(),
                 "--default-adapter", adapters.default_name, kNameRule);
}

void CheckEngine(const runtime::EngineOptions& engine, FaultList& faults) {
  faults.RequireRange("--threads", engine.threads, 0, 1024);
  faults.RequireRange("--max-sequences", engine.state_slots, 1, 65'536);
  faults.RequireRange("--step-tokens", engine.step_tokens, 1, 65'536);
  faults.RequireRange("--prompt-chunk-tokens", engine.prompt_chunk_tokens, 1, 65'536);
  const auto require_number = [&](absl::string_view option, double value, double low, double high) {
    faults.Require(value >= low && value <= high, option, absl::StrCat(value),
                   absl::StrCat("must be ", low, " to ", high));
  };
  require_number("--prompt-slowdown", engine.prompt_slowdown, 1, 1000);
  require_number("--low-priority-slowdown", engine.low_priority_slowdown, 1, 1000);
  require_number("--low-priority-share", engine.low_priority_share, 0.01, 0.99);
  faults.RequireRange("--queue-requests", engine.queued_requests, 1, 1'000'000);
  faults.RequireRange("--queue-tokens", engine.queued_tokens, 1, int64_t{1} << 40);
  faults.RequireDuration("--stall-park", engine.stall_park, absl::Milliseconds(1));
  faults.RequireRange("--park-bytes", engine.park_bytes, 0, int64_t{1} << 40);
  faults.RequireRange("--prefix-cache-bytes", engine.prefix_cache_bytes, 0, int64_t{1} << 44);
  faults.RequireRange("--prefix-block-tokens", engine.prefix_block_tokens, 1, 1 << 24);
  faults.RequireDuration("--stall-limit", engine.stall_limit, absl::Milliseconds(1));
}

void CheckLimits(const RequestLimits& limits, FaultList& faults) {
  constexpr int64_t kMax = int64_t{1} << 40;
  faults.RequireRange("--max-prompt-bytes", limits.prompt_bytes, 1, int64_t{1} << 30);
  faults.RequireRange("--max-prompt-tokens", limits.prompt_tokens, 1, 1 << 24);
  faults.RequireRange("--max-subset-prompt-tokens", limits.subset_prompt_tokens, 1, 1 << 24);
  faults.RequireRange("--max-new-tokens", limits.new_tokens, 1, 1 << 24);
  faults.RequireRange("--max-perplexity-tokens", limits.perplexity_tokens, 1, kMax);
  faults.RequireRange("--max-document-bytes", limits.document_bytes, 1, int64_t{1} << 30);
  faults.RequireRange("--max-extraction-bytes", limits.extraction_bytes, 1, kMax);
  faults.RequireRange("--max-stop-strings", limits.stop_strings, 0, 1024);
  faults.RequireRange("--max-stop-string-bytes", limits.stop_string_bytes, 1, 65'536);
  faults.RequireRange("--max-stop-token-ids", limits.stop_token_ids, 0, 65'536);
  faults.RequireRange("--max-logit-biases", limits.logit_biases, 0, 1 << 20);
  faults.RequireRange("--max-top-logprobs", limits.top_logprobs, 0, 1024);
  faults.RequireRange("--max-open-uploads", limits.open_uploads, 1, 1024);
  faults.RequireDuration("--upload-idle", limits.upload_idle, absl::Milliseconds(1));
}

}  // namespace

const char* NumericsId(Numerics numerics) {
  return numerics == Numerics::kF32K1 ? "f32.k1" : "torch";
}

absl::StatusOr<std::pair<std::string, int>> ParseListen(const std::string& listen) {
  const size_t colon = listen.rfind(':');
  int port = -1;
  if (colon == std::string::npos || colon == 0 ||
      !absl::SimpleAtoi(listen.substr(colon + 1), &port) || port < 0 || port > 65'535) {
    return absl::InvalidArgumentError("must be HOST:PORT with a port of 0 to 65535");
  }
  std::string host = listen.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (absl::StrContains(host, ':')) {
    return absl::InvalidArgumentError("an IPv6 address stands in brackets, as in [::1]:50051");
  }
  return std::make_pair(host, port);
}

bool IsLoopback(const std::string& host) {
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6{};
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
  return host == "localhost";
}

absl::Status Validate(const ServerOptions& options) {
  FaultList faults;
  faults.Require(!options.model_folder.empty(), "--model", "", "names no folder");
  faults.Require(!options.store_folder.empty(), "--store", "", "names no folder");
  CheckAddress(options, faults);
  CheckAdapters(options.adapters, faults);
  CheckEngine(options.engine, faults);
  CheckLimits(options.limits, faults);
  faults.RequireDuration("--max-request-duration", options.max_request_duration,
                         absl::Milliseconds(1));
  faults.RequireDuration("--drain-delay", options.drain_delay, absl::ZeroDuration());
  faults.RequireDuration("--drain-deadline", options.drain_deadline, absl::ZeroDuration());
  faults.Require(options.session_ttl >= absl::Seconds(1) && options.session_ttl <= kMaxSessionTtl,
                 "--session-ttl", absl::FormatDuration(options.session_ttl),
                 absl::StrCat("must be 1s to ", absl::FormatDuration(kMaxSessionTtl)));
  // Smaller ones would refuse the 1 MiB parts in which uploads come.
  faults.RequireRange("--max-message-bytes", options.max_message_bytes, 2 << 20, 1 << 30);
  faults.Require(IsLogLevel(options.log.level), "--log-level", options.log.level,
                 "must be trace, debug, info, warning, error or off");
  return faults.ToStatus();
}

std::vector<LogField> Describe(const ServerOptions& options) {
  std::vector<LogField> fields = {
      {"model", options.model_folder},
      {"default_adapter", options.adapters.default_name},
      {"merged_adapters", absl::StrJoin(options.adapters.merged, " ")},
      {"adapter_root", options.adapter_root},
      {"listen", options.listen},
      {"store", options.store_folder},
      {"session_keys", options.session_keys_file},
      {"session_ttl", absl::FormatDuration(options.session_ttl)},
      {"numerics", NumericsId(options.numerics)},
      {"threads", options.engine.threads},
      {"max_sequences", options.engine.state_slots},
      {"step_tokens", options.engine.step_tokens},
      {"prompt_chunk_tokens", options.engine.prompt_chunk_tokens},
      {"prompt_slowdown", options.engine.prompt_slowdown},
      {"low_priority_slowdown", options.engine.low_priority_slowdown},
      {"low_priority_share", options.engine.low_priority_share},
      {"queue_requests", options.engine.queued_requests},
      {"queue_tokens", options.engine.queued_tokens},
      {"stall_park", absl::FormatDuration(options.engine.stall_park)},
      {"park_bytes", options.engine.park_bytes},
      {"prefix_cache_bytes", options.engine.prefix_cache_bytes},
      {"prefix_block_tokens", options.engine.prefix_block_tokens},
      {"stall_limit", absl::FormatDuration(options.engine.stall_limit)},
      {"max_request_duration", absl::FormatDuration(options.max_request_duration)},
      {"drain_delay", absl::FormatDuration(options.drain_delay)},
      {"drain_deadline", absl::FormatDuration(options.drain_deadline)},
      {"max_message_bytes", options.max_message_bytes},
      {"max_prompt_bytes", options.limits.prompt_bytes},
      {"max_prompt_tokens", options.limits.prompt_tokens},
      {"max_subset_prompt_tokens", options.limits.subset_prompt_tokens},
      {"max_new_tokens", options.limits.new_tokens},
      {"max_perplexity_tokens", options.limits.perplexity_tokens},
      {"max_document_bytes", options.limits.document_bytes},
      {"max_extraction_bytes", options.limits.extraction_bytes},
      {"reflection", options.reflection},
      {"log_level", options.log.level},
  };
  for (const auto& [name, folder] : options.adapters.folders) {
    fields.emplace_back(absl::StrCat("adapter.", name), folder);
  }
  return fields;
}

}  // namespace scanserve::server
