#include "server/backend.h"

#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/check.h"
#include "core/base/confined_folder.h"
#include "core/base/status_macros.h"
#include "core/ops/kernel_target.h"
#include "core/ops/torch_linear.h"
#include "server/backend_metrics.h"
#include "server/experiment_table.h"
#include "server/shadow_queue.h"
#include "server/yielding_engine.h"

namespace scanserve::server {
namespace {

// Texts that may wait to be tokenized, and changes of the store that may wait for the disk.
constexpr size_t kWaitingTasks = 64;
// Enough steps that only decode, and enough that read besides, to know what each costs.
constexpr int32_t kWarmUpNewTokens = 24;
constexpr size_t kWarmUpPrompt = 128;

ops::LinearFactory MakeLinear(const ServerOptions& options) {
  if (options.numerics == Numerics::kF32K1) return ops::MakePackedLinear;
  if (options.engine.threads > 0) ops::SetTorchThreads(options.engine.threads);
  return ops::MakeTorchLinear;
}

absl::Status CheckModelDigest(const ServerOptions& options, const std::string& digest) {
  if (options.model_digest.empty() || options.model_digest == digest) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("--model-digest ", options.model_digest, ": ",
                                                    options.model_folder, " has the digest ",
                                                    digest));
}

absl::Status CheckAdapterRoot(const std::string& folder) {
  if (folder.empty()) return absl::OkStatus();
  const absl::Status opened = base::ConfinedFolder::Open(folder).status();
  if (opened.ok()) return opened;
  return absl::Status(opened.code(), absl::StrCat("--adapter-root: ", opened.message()));
}

absl::StatusOr<std::unique_ptr<store::DirectoryStore>> OpenStore(const std::string& folder) {
  // The store makes its own folder; ~/.local/share need not be there on a fresh account.
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(folder).parent_path(), error);
  store::StoreOptions options;
  options.folder = folder;
  SCANSERVE_ASSIGN_OR_RETURN(auto store, store::DirectoryStore::Open(options));
  for (const std::string& warning : store->warnings()) {
    LogWarning("store", {LogField::Whole("what", warning)});
  }
  return store;
}

// Takes the events from `event` on.
absl::Status AwaitEnd(runtime::RequestStream& stream, runtime::Event event) {
  while (!std::holds_alternative<runtime::Ended>(event)) event = stream.Wait();
  const absl::Status& status = std::get<runtime::Ended>(event).status;
  if (status.ok()) return absl::OkStatus();
  return absl::Status(status.code(),
                      absl::StrCat("the model does not generate: ", status.message()));
}

// A ring that the operator names must be there; else the store keeps one, so that sessions outlive
// a restart.
absl::StatusOr<std::unique_ptr<SessionKeys>> OpenSessionKeys(const ServerOptions& options) {
  if (!options.session_keys_file.empty()) {
    return SessionKeys::Open(options.session_keys_file, SessionKeys::IfMissing::kFail);
  }
  return SessionKeys::Open(absl::StrCat(options.store_folder, "/session-keys"),
                           SessionKeys::IfMissing::kMake);
}

}  // namespace

Backend::Backend(const ServerOptions& options, Lifecycle& lifecycle, AccessControl& access,
                 MetricRegistry& registry)
    : options_(options),
      lifecycle_(lifecycle),
      access_(access),
      registry_(registry),
      started_(absl::Now()),
      open_uploads_(options.limits.open_uploads, "uploads"),
      open_downloads_(options.limits.open_downloads, "downloads"),
      open_scorings_(options.limits.open_scorings, "perplexity and comparison calls"),
      // Each open call posts at most one task at a time.
      delivery_(std::numeric_limits<size_t>::max()),
      tokenizing_(kWaitingTasks),
      storing_(kWaitingTasks) {}

Backend::~Backend() = default;

absl::StatusOr<std::unique_ptr<Backend>> Backend::Create(const ServerOptions& options,
                                                         Lifecycle& lifecycle,
                                                         AccessControl& access,
                                                         MetricRegistry& registry) {
  const absl::Time begin = absl::Now();
  auto backend = std::unique_ptr<Backend>(new Backend(options, lifecycle, access, registry));
  SCANSERVE_RETURN_IF_ERROR(CheckAdapterRoot(options.adapter_root));
  const ops::LinearFactory make_linear = MakeLinear(options);
  SCANSERVE_ASSIGN_OR_RETURN(backend->model_,
                             model::LoadLanguageModel(options.model_folder, make_linear));
  const model::LanguageModel& model = *backend->model_;
  LogInfo("model loaded", {{"name", model.name},
                           {"digest", model.digest},
                           {"tokenizer_digest", model.tokenizer_digest},
                           {"parameters", model.parameters},
                           {"weight_type", model.weight_type},
                           {"weight_bytes", model.weight_bytes},
                           {"kernels", std::string(ops::KernelTargetName())},
                           {"seconds", absl::ToDoubleSeconds(absl::Now() - begin)}});
  SCANSERVE_RETURN_IF_ERROR(CheckModelDigest(options, model.digest));
  SCANSERVE_ASSIGN_OR_RETURN(backend->store_, OpenStore(options.store_folder));
  backend->audit_ = std::make_unique<AuditLog>(*backend->store_);
  SCANSERVE_ASSIGN_OR_RETURN(
      backend->adapters_,
      AdapterTable::Create(options.adapters, model, make_linear, backend->store_->adapters()));
  SCANSERVE_ASSIGN_OR_RETURN(
      backend->scans_, ScanSelector::Create(*backend->store_, {model.digest, model.tokenizer_digest,
                                                               model.config.num_layers}));
  SCANSERVE_ASSIGN_OR_RETURN(backend->session_keys_, OpenSessionKeys(options));
  SCANSERVE_ASSIGN_OR_RETURN(
      backend->experiments_,
      ExperimentTable::Create(backend->store_->experiments(), model.digest, *backend->scans_,
                              *backend->adapters_, *backend->audit_));
  backend->metrics_ = std::make_unique<RequestMetrics>(registry, options.metrics, model.name);
  runtime::EngineOptions engine = options.engine;
  engine.observer = backend->metrics_->engine_observer();
  backend->inner_engine_ = runtime::Engine::Create(engine, backend->model_);
  backend->shadows_ = std::make_unique<ShadowQueue>(*backend->inner_engine_, options.limits);
  ShadowQueue& shadows = *backend->shadows_;
  backend->engine_ = MakeYieldingEngine(*backend->inner_engine_, [&shadows] { shadows.MakeWay(); });
  backend->scraped_ = std::make_unique<BackendMetrics>(*backend);
  backend->attachment_ = std::make_unique<MetricRegistry::Attachment>(registry, *backend->scraped_);
  return backend;
}

void Backend::Deliver(std::function<void()> task) {
  SCANSERVE_CHECK(delivery_.TryPost(std::move(task)));
}

absl::Status Backend::WarmUp() {
  runtime::GenerateRequest decoding;
  decoding.basics.id = "warm-up";
  decoding.prompt = {0, 0, 0, 0};
  decoding.sampling.max_new_tokens = kWarmUpNewTokens;
  decoding.sampling.ignore_eos = true;
  decoding.sampling.temperature = 0;
  SCANSERVE_ASSIGN_OR_RETURN(const auto decodes, engine_->Generate(std::move(decoding)));
  runtime::Event event = decodes->Wait();
  // Beside it, once it decodes.
  while (std::holds_alternative<runtime::Started>(event)) event = decodes->Wait();
  runtime::ScoreRequest scoring;
  scoring.basics.id = "warm-up";
  scoring.basics.priority = runtime::Priority::kLow;
  scoring.tokens.assign(kWarmUpPrompt, 0);
  // One after the other: the queue may have one place.
  SCANSERVE_ASSIGN_OR_RETURN(const auto scores, engine_->Score(std::move(scoring)));
  SCANSERVE_RETURN_IF_ERROR(AwaitEnd(*scores, scores->Wait()));
  runtime::GenerateRequest reading;
  reading.basics.id = "warm-up";
  reading.prompt.assign(kWarmUpPrompt, 0);
  reading.sampling.max_new_tokens = 1;
  SCANSERVE_ASSIGN_OR_RETURN(const auto reads, engine_->Generate(std::move(reading)));
  SCANSERVE_RETURN_IF_ERROR(AwaitEnd(*reads, reads->Wait()));
  return AwaitEnd(*decodes, std::move(event));
}

}  // namespace scanserve::server
