#include "server/backend.h"

#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "core/ops/kernel_target.h"
#include "core/ops/torch_linear.h"

namespace scanserve::server {
namespace {

// Texts that may wait to be tokenized, and changes of the store that may wait for the disk.
constexpr size_t kWaitingTasks = 64;
constexpr int32_t kWarmUpTokens = 4;

ops::LinearFactory MakeLinear(const ServerOptions& options) {
  if (options.numerics == Numerics::kF32K1) return ops::MakePackedLinear;
  if (options.engine.threads > 0) ops::SetTorchThreads(options.engine.threads);
  return ops::MakeTorchLinear;
}

absl::StatusOr<std::unique_ptr<store::DirectoryStore>> OpenStore(const std::string& folder) {
  // The store makes its own folder; ~/.local/share need not be there on a fresh account.
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(folder).parent_path(), error);
  store::StoreOptions options;
  options.folder = folder;
  SCANSERVE_ASSIGN_OR_RETURN(auto store, store::DirectoryStore::Open(options));
  for (const std::string& warning : store->warnings()) LogWarning("store", {{"what", warning}});
  return store;
}

}  // namespace

Backend::Backend(const ServerOptions& options, Lifecycle& lifecycle)
    : options_(options),
      lifecycle_(lifecycle),
      started_(absl::Now()),
      // Each open call posts at most one task at a time.
      delivery_(std::numeric_limits<size_t>::max()),
      tokenizing_(kWaitingTasks),
      storing_(kWaitingTasks) {}

absl::StatusOr<std::unique_ptr<Backend>> Backend::Create(const ServerOptions& options,
                                                         Lifecycle& lifecycle) {
  const absl::Time begin = absl::Now();
  auto backend = std::unique_ptr<Backend>(new Backend(options, lifecycle));
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
  SCANSERVE_ASSIGN_OR_RETURN(
      backend->adapters_,
      AdapterTable::Load(options.adapters, options.default_adapter, model, make_linear));
  SCANSERVE_ASSIGN_OR_RETURN(backend->store_, OpenStore(options.store_folder));
  SCANSERVE_ASSIGN_OR_RETURN(
      backend->scans_, ScanSelector::Create(*backend->store_, {model.digest, model.tokenizer_digest,
                                                               model.config.num_layers}));
  backend->engine_ = runtime::Engine::Create(options.engine, backend->model_);
  return backend;
}

void Backend::Deliver(std::function<void()> task) {
  SCANSERVE_CHECK(delivery_.TryPost(std::move(task)));
}

absl::Status Backend::WarmUp() {
  runtime::GenerateRequest request;
  request.basics.id = "warm-up";
  request.prompt = {0, 0, 0, 0};
  request.sampling.max_new_tokens = kWarmUpTokens;
  request.sampling.temperature = 0;
  SCANSERVE_ASSIGN_OR_RETURN(const auto stream, engine_->Generate(std::move(request)));
  for (;;) {
    const runtime::Event event = stream->Wait();
    const auto* ended = std::get_if<runtime::Ended>(&event);
    if (ended == nullptr) continue;
    if (ended->status.ok()) return absl::OkStatus();
    return absl::Status(ended->status.code(),
                        absl::StrCat("the model does not generate: ", ended->status.message()));
  }
}

}  // namespace scanserve::server
