// What every RPC goes through: who calls, request id, admission, deadline, counters, one line in
// the log, status mapping.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/base/mutex.h"
#include "server/access_control.h"
#include "server/audit_log.h"
#include "server/lifecycle.h"
#include "server/request_metrics.h"

namespace grpc {
class CallbackServerContext;
class Status;
}  // namespace grpc

namespace scanserve::server {

// `client_id` when it is 1 to 64 of [A-Za-z0-9._-], else a new one.
std::string RequestId(absl::string_view client_id);

// The host of a peer as gRPC writes it ("ipv4:10.0.0.7:4711", "ipv6:[::1]:4711"), without the port,
// which differs from connection to connection; other peers as they are.
std::string CallerOf(absl::string_view peer);

// The trace id in a W3C `traceparent`, 32 lower-case hex digits; empty when it has another form.
std::string TraceIdOf(absl::string_view traceparent);

// One RPC from arrival to its last reaction. Belongs to the RPC's reactor and goes with it.
// Not thread-safe, but for EndEarly, Kill, expires and set_expires.
class Call final : public OpenCall {
 public:
  // `method` outlives the call. `max_duration` counts from now.
  Call(Lifecycle& lifecycle, AccessControl& access, RequestMetrics& metrics,
       absl::string_view method, grpc::CallbackServerContext* context, absl::Duration max_duration);
  ~Call() override;
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Finds out who calls, whether it may, and registers the call. `end_early`, which may be null, is
  // called once at most, by EndEarly, on another thread. UNAUTHENTICATED, PERMISSION_DENIED or
  // RESOURCE_EXHAUSTED as AccessControl says; UNAVAILABLE when the server is stopping.
  absl::Status Admit(std::function<void(const absl::Status&)> end_early);

  // Before Admit: the call changes what `name` names, or what becomes known later, and is told to
  // `log` at its end.
  void Audit(AuditLog& log, absl::string_view name);
  // Of a call that is audited.
  ChangeReport& report() { return report_; }

  void TakeId(absl::string_view client_id) { id_ = RequestId(client_id); }
  const std::string& id() const { return id_; }

  // Whose turns count together: who the caller has proved to be, else the host that it came from.
  std::string caller() const;
  // Who the caller has proved to be. Empty: calls are not authenticated.
  const std::string& identity() const { return identity_; }

  // The client's, or the longest that a request may take, whichever is first.
  absl::Time deadline() const { return deadline_; }
  absl::Time arrived() const { return arrived_; }

  // What the call is counted under; until then, under its method alone.
  void SetLabels(RequestLabels labels) { labels_ = std::move(labels); }
  // Who counts what the engine does for the call under `labels`.
  runtime::RequestObserver* ObserverOf(const RequestLabels& labels) const {
    return metrics_.ObserverOf(method_, labels);
  }

  // For the log.
  void CountPromptTokens(int64_t tokens) { prompt_tokens_ += tokens; }
  void CountGeneratedTokens(int64_t tokens) { generated_tokens_ += tokens; }

  // The trace that the client's metadatum `traceparent` names (W3C Trace Context); empty when it
  // names none.
  std::string trace_id() const;

  // Counts the call, writes the log line, tells the audit log, which may wait for the disk, and
  // maps the status. Once, and as the call's last act.
  grpc::Status End(const absl::Status& status);

  // The first act of the reactor's OnDone when `end_early` was given, before anything that it uses
  // goes: waits for one that is under way, and none follows. The destructor checks it.
  void ForgetEndEarly();

  void EndEarly(const absl::Status& status) override;
  void Kill() override;
  absl::Time expires() const override;
  bool endless() const override { return endless_; }
  // Before Admit: the call has no end of its own.
  void SetEndless() { endless_ = true; }
  // Instead of a little after the deadline.
  void set_expires(absl::Time time);

 private:
  Rejection RejectionOf(const absl::Status& status) const;
  void Log(const CallEnd& end, const absl::Status& status, const std::string& told) const;

  Lifecycle& lifecycle_;
  AccessControl& access_;
  RequestMetrics& metrics_;
  const absl::string_view method_;
  grpc::CallbackServerContext* const context_;
  const absl::Time arrived_;
  const absl::Time deadline_;
  std::string id_;
  std::string identity_;
  RequestLabels labels_;
  AuditLog* audit_ = nullptr;
  ChangeReport report_;
  bool endless_ = false;
  bool registered_ = false;
  // Held while end_early_ runs.
  base::Mutex end_early_mutex_;
  std::function<void(const absl::Status&)> end_early_ ABSL_GUARDED_BY(end_early_mutex_);
  std::atomic<bool> ending_early_{false};
  int64_t prompt_tokens_ = 0;
  int64_t generated_tokens_ = 0;
  mutable base::Mutex mutex_;
  absl::Time expires_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace scanserve::server
