#include "server/call.h"

#include <grpcpp/server_context.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "core/base/check.h"
#include "core/base/retry_delay.h"
#include "core/base/status_macros.h"
#include "server/auth_processor.h"
#include "server/grpc_status.h"
#include "server/log.h"
#include "server/role_table.h"

namespace scanserve::server {
namespace {

constexpr size_t kMaxIdBytes = 64;
// The engine ends its requests at their deadline; only calls that wait for something else are still
// there after this.
constexpr absl::Duration kExpiryGrace = absl::Seconds(1);

bool IsRequestId(absl::string_view id) {
  return !id.empty() && id.size() <= kMaxIdBytes && std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  });
}

std::string NewRequestId() {
  thread_local std::mt19937_64 generator = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  return absl::StrFormat("%016x", generator());
}

absl::Time ClientDeadline(const grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return absl::InfiniteFuture();
  return absl::FromChrono(deadline);
}

}  // namespace

std::string RequestId(absl::string_view client_id) {
  return IsRequestId(client_id) ? std::string(client_id) : NewRequestId();
}

std::string CallerOf(absl::string_view peer) {
  const bool has_port = absl::StartsWith(peer, "ipv4:") || absl::StartsWith(peer, "ipv6:");
  return std::string(has_port ? peer.substr(0, peer.rfind(':')) : peer);
}

std::string TraceIdOf(absl::string_view traceparent) {
  const auto is_hex = [](absl::string_view digits, size_t size) {
    return digits.size() == size && std::all_of(digits.begin(), digits.end(), [](char c) {
             return absl::ascii_isdigit(static_cast<unsigned char>(c)) || (c >= 'a' && c <= 'f');
           });
  };
  const std::vector<absl::string_view> parts = absl::StrSplit(traceparent, '-');
  // Later versions may append parts; version ff is none.
  const bool usable = parts.size() >= 4 && is_hex(parts[0], 2) && parts[0] != "ff" &&
                      (parts[0] != "00" || parts.size() == 4) && is_hex(parts[1], 32) &&
                      is_hex(parts[2], 16) && is_hex(parts[3], 2);
  const bool zero = usable && (parts[1].find_first_not_of('0') == absl::string_view::npos ||
                               parts[2].find_first_not_of('0') == absl::string_view::npos);
  return usable && !zero ? std::string(parts[1]) : "";
}

Call::Call(Lifecycle& lifecycle, AccessControl& access, RequestMetrics& metrics,
           absl::string_view method, grpc::CallbackServerContext* context,
           absl::Duration max_duration)
    : lifecycle_(lifecycle),
      access_(access),
      metrics_(metrics),
      method_(method),
      context_(context),
      arrived_(absl::Now()),
      deadline_(std::min(ClientDeadline(*context), arrived_ + max_duration)),
      expires_(deadline_ + kExpiryGrace) {
  metrics_.CountArrival(method_);
}

Call::~Call() {
  {
    base::MutexLock lock(end_early_mutex_);
    SCANSERVE_CHECK(end_early_ == nullptr);
  }
  if (registered_) lifecycle_.Leave(this);
}

absl::Status Call::Admit(std::function<void(const absl::Status&)> end_early) {
  const Credentials credentials =
      CredentialsOf(context_->client_metadata(), context_->auth_context().get());
  SCANSERVE_ASSIGN_OR_RETURN(const Caller known, access_.Identify(credentials, arrived_));
  identity_ = known.id;
  SCANSERVE_RETURN_IF_ERROR(CheckRole(known.role, RoleOfMethod(method_)));
  SCANSERVE_RETURN_IF_ERROR(access_.TakeTurn(caller(), arrived_));
  {
    base::MutexLock lock(end_early_mutex_);
    end_early_ = std::move(end_early);
  }
  registered_ = lifecycle_.Enter(this);
  if (!registered_) return absl::UnavailableError("the server is stopping");
  return absl::OkStatus();
}

void Call::Audit(AuditLog& log, absl::string_view name) {
  audit_ = &log;
  report_.asked.name = std::string(name);
}

std::string Call::caller() const {
  return identity_.empty() ? CallerOf(context_->peer()) : identity_;
}

std::string Call::trace_id() const {
  const auto& metadata = context_->client_metadata();
  const auto found = metadata.find("traceparent");
  if (found == metadata.end()) return "";
  return TraceIdOf(absl::string_view(found->second.data(), found->second.size()));
}

Rejection Call::RejectionOf(const absl::Status& status) const {
  if (absl::IsUnavailable(status) && !registered_) return Rejection::kDraining;
  // What fails later for want of resources does not ask for a retry.
  if (!absl::IsResourceExhausted(status) || !base::RetryDelay(status).has_value()) {
    return Rejection::kNone;
  }
  return registered_ ? Rejection::kOverload : Rejection::kRateLimit;
}

grpc::Status Call::End(const absl::Status& status) {
  if (id_.empty()) id_ = NewRequestId();
  const grpc::Status result = ToGrpcStatus(status, id_);
  const CallEnd end = {absl::StatusCodeToString(static_cast<absl::StatusCode>(result.error_code())),
                       RejectionOf(status), absl::Now() - arrived_};
  metrics_.CountEnd(method_, labels_, end);
  Log(end, status, result.error_message());
  if (audit_ != nullptr) {
    audit_->Tell({identity_, context_->peer(), method_, id_, end.code, result.error_message(),
                  /*refused=*/!registered_},
                 report_);
  }
  return result;
}

void Call::Log(const CallEnd& end, const absl::Status& status, const std::string& told) const {
  std::vector<LogField> fields = {{"id", id_},
                                  {"method", method_},
                                  {"code", end.code},
                                  {"ms", absl::ToDoubleMilliseconds(end.duration)}};
  const std::string trace = trace_id();
  if (!trace.empty()) fields.emplace_back("trace_id", trace);
  // Who is not known is where it came from.
  if (identity_.empty()) {
    fields.emplace_back("peer", context_->peer());
  } else {
    fields.emplace_back("caller", identity_);
  }
  if (prompt_tokens_ > 0) fields.emplace_back("prompt_tokens", prompt_tokens_);
  if (generated_tokens_ > 0) fields.emplace_back("generated_tokens", generated_tokens_);
  if (IsOurFault(status)) {
    fields.push_back(LogField::Whole("message", status.message()));
    return LogError("call", fields);
  }
  if (!status.ok()) fields.push_back(LogField::Whole("message", told));
  LogInfo("call", fields);
}

void Call::EndEarly(const absl::Status& status) {
  if (ending_early_.exchange(true)) return;
  base::MutexLock lock(end_early_mutex_);
  if (end_early_) end_early_(status);
}

void Call::ForgetEndEarly() {
  base::MutexLock lock(end_early_mutex_);
  end_early_ = nullptr;
}

void Call::Kill() { context_->TryCancel(); }

absl::Time Call::expires() const {
  base::MutexLock lock(mutex_);
  return expires_;
}

void Call::set_expires(absl::Time time) {
  base::MutexLock lock(mutex_);
  expires_ = time;
}

}  // namespace scanserve::server
