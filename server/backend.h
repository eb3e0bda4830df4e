// What all calls share: model, adapters, scan orders, engine, and the threads that serve calls.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "core/model/language_model.h"
#include "core/runtime/engine.h"
#include "core/store/directory_store.h"
#include "server/access_control.h"
#include "server/adapter_table.h"
#include "server/audit_log.h"
#include "server/lifecycle.h"
#include "server/metric_registry.h"
#include "server/open_limit.h"
#include "server/request_metrics.h"
#include "server/scan_selector.h"
#include "server/server_options.h"
#include "server/session_keys.h"
#include "server/task_thread.h"

namespace scanserve::server {

class BackendMetrics;
class ExperimentTable;
class ShadowQueue;

// No server message is larger.
inline constexpr int64_t kMaxServerMessageBytes = int64_t{1} << 20;

// Made before the port opens; outlives every call. Thread-safe.
class Backend {
 public:
  // Loads model and adapters and opens the store; the errors are sentences for the operator.
  // `lifecycle`, `access` and `registry`, where it counts and is counted, outlive the backend.
  static absl::StatusOr<std::unique_ptr<Backend>> Create(const ServerOptions& options,
                                                         Lifecycle& lifecycle,
                                                         AccessControl& access,
                                                         MetricRegistry& registry);
  ~Backend();

  const ServerOptions& options() const { return options_; }
  const RequestLimits& limits() const { return options_.limits; }
  Lifecycle& lifecycle() { return lifecycle_; }
  // Who may call what.
  AccessControl& access() { return access_; }
  // All that a scrape shows.
  MetricRegistry& registry() { return registry_; }
  RequestMetrics& metrics() { return *metrics_; }
  const model::LanguageModel& model() const { return *model_; }
  AdapterTable& adapters() { return *adapters_; }
  const AdapterTable& adapters() const { return *adapters_; }
  store::DirectoryStore& store() { return *store_; }
  const store::DirectoryStore& store() const { return *store_; }
  // Who changed what.
  AuditLog& audit() { return *audit_; }
  const AuditLog& audit() const { return *audit_; }
  ScanSelector& scans() { return *scans_; }
  const ScanSelector& scans() const { return *scans_; }
  ExperimentTable& experiments() { return *experiments_; }
  const ExperimentTable& experiments() const { return *experiments_; }
  // Scores prompts and answers for experiments, in the background.
  ShadowQueue& shadows() { return *shadows_; }
  // What sessions are sealed with.
  SessionKeys& session_keys() { return *session_keys_; }
  runtime::Engine& engine() { return *engine_; }
  const runtime::Engine& engine() const { return *engine_; }
  absl::Time started() const { return started_; }

  // Turns engine events into messages: posted to from the engine's thread, which must not wait for
  // gRPC.
  void Deliver(std::function<void()> task);
  // Tokenizes texts that are too long for gRPC's own threads.
  TaskThread& tokenizing() { return tokenizing_; }
  // Changes the store, which waits for the disk.
  TaskThread& storing() { return storing_; }
  // Bounds on what calls keep in memory while clients send or read at their leisure.
  OpenLimit& open_uploads() { return open_uploads_; }
  OpenLimit& open_downloads() { return open_downloads_; }
  OpenLimit& open_scorings() { return open_scorings_; }

  // Runs short requests of each kind, so that the first client does not wait for what happens once
  // and the engine knows what its steps cost.
  absl::Status WarmUp();

 private:
  Backend(const ServerOptions& options, Lifecycle& lifecycle, AccessControl& access,
          MetricRegistry& registry);

  const ServerOptions options_;
  Lifecycle& lifecycle_;
  AccessControl& access_;
  MetricRegistry& registry_;
  const absl::Time started_;
  std::shared_ptr<const model::LanguageModel> model_;
  std::unique_ptr<store::DirectoryStore> store_;
  std::unique_ptr<AuditLog> audit_;
  std::unique_ptr<AdapterTable> adapters_;
  std::unique_ptr<ScanSelector> scans_;
  std::unique_ptr<ExperimentTable> experiments_;
  std::unique_ptr<SessionKeys> session_keys_;
  std::unique_ptr<RequestMetrics> metrics_;
  OpenLimit open_uploads_;
  OpenLimit open_downloads_;
  OpenLimit open_scorings_;
  // The threads go before what they use; the engine goes first of all, since it posts to one of
  // them.
  TaskThread delivery_;
  TaskThread tokenizing_;
  TaskThread storing_;
  std::unique_ptr<runtime::Engine> inner_engine_;
  // Before the engine: it waits for what it has asked of it.
  std::unique_ptr<ShadowQueue> shadows_;
  // The same engine, for everything but shadows, which make way for it.
  std::unique_ptr<runtime::Engine> engine_;
  // Not scraped any more before anything else goes.
  std::unique_ptr<BackendMetrics> scraped_;
  std::unique_ptr<MetricRegistry::Attachment> attachment_;
};

}  // namespace scanserve::server
