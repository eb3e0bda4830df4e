#include "server/call.h"

#include <grpcpp/server_context.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "server/grpc_status.h"
#include "server/log.h"

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

Call::Call(Lifecycle& lifecycle, absl::string_view method, grpc::CallbackServerContext* context,
           absl::Duration max_duration)
    : lifecycle_(lifecycle),
      method_(method),
      context_(context),
      arrived_(absl::Now()),
      deadline_(std::min(ClientDeadline(*context), arrived_ + max_duration)),
      expires_(deadline_ + kExpiryGrace) {}

Call::~Call() {
  if (registered_) lifecycle_.Leave(this);
}

absl::Status Call::Admit(std::function<void(const absl::Status&)> end_early) {
  end_early_ = std::move(end_early);
  registered_ = lifecycle_.Enter(this);
  if (!registered_) return absl::UnavailableError("the server is stopping");
  return absl::OkStatus();
}

std::string Call::caller() const { return CallerOf(context_->peer()); }

grpc::Status Call::End(const absl::Status& status) {
  if (id_.empty()) id_ = NewRequestId();
  const grpc::Status result = ToGrpcStatus(status, id_);
  std::vector<LogField> fields = {
      {"id", id_},
      {"method", method_},
      {"code", absl::StatusCodeToString(static_cast<absl::StatusCode>(result.error_code()))},
      {"ms", absl::ToDoubleMilliseconds(absl::Now() - arrived_)}};
  if (prompt_tokens_ > 0) fields.emplace_back("prompt_tokens", prompt_tokens_);
  if (generated_tokens_ > 0) fields.emplace_back("generated_tokens", generated_tokens_);
  if (IsOurFault(status)) {
    fields.emplace_back("message", status.message());
    LogError("call", fields);
    return result;
  }
  if (!status.ok()) fields.emplace_back("message", result.error_message());
  LogInfo("call", fields);
  return result;
}

void Call::EndEarly(const absl::Status& status) {
  if (ending_early_.exchange(true) || !end_early_) return;
  end_early_(status);
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
