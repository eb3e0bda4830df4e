#include "core/runtime/engine.h"

#include <pthread.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/runtime/engine_loop.h"
#include "core/runtime/extract_job.h"
#include "core/runtime/generate_job.h"
#include "core/runtime/request_check.h"
#include "core/runtime/score_job.h"

namespace scanserve::runtime {
namespace {

// As `top -H` and debuggers show it.
constexpr char kThreadName[] = "engine";

EngineOptions WithDefaults(EngineOptions options) {
  if (options.threads == 0) {
    options.threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }
  // Every decoding sequence has a place in each step.
  options.step_tokens = std::max<int64_t>(options.step_tokens, options.state_slots);
  return options;
}

PrefixCacheOptions CacheOptions(const EngineOptions& options) {
  PrefixCacheOptions cache;
  cache.max_bytes = options.prefix_cache_bytes;
  cache.poison_freed_state = options.poison_freed_state;
  return cache;
}

std::vector<bool> SelectableIds(const model::LanguageModel& model) {
  std::vector<bool> selectable(static_cast<size_t>(model.config.vocab_size));
  for (size_t id = 0; id < selectable.size(); ++id) {
    selectable[id] = model.tokenizer->HasToken(static_cast<int32_t>(id));
  }
  return selectable;
}

}  // namespace

std::unique_ptr<Engine> Engine::Create(const EngineOptions& options,
                                       std::shared_ptr<const model::LanguageModel> model) {
  return std::make_unique<EngineLoop>(WithDefaults(options), std::move(model));
}

EngineLoop::EngineLoop(const EngineOptions& options,
                       std::shared_ptr<const model::LanguageModel> model)
    : options_(options),
      model_(std::move(model)),
      selectable_(SelectableIds(*model_)),
      waker_(std::make_shared<Waker>()),
      extraction_memory_(std::make_shared<ExtractionMemory>()),
      queue_(options.queued_requests, options.queued_tokens, options.low_priority_share),
      runner_(*model_, options.threads, options.step_tokens),
      planner_(options),
      slots_(model_->config, options.state_slots, options.poison_freed_state),
      parked_(options.park_bytes),
      prefixes_(model_->config, CacheOptions(options), options.prefix_block_tokens),
      thread_([this] {
        pthread_setname_np(pthread_self(), kThreadName);
        Main();
      }) {}

EngineLoop::~EngineLoop() {
  CancelAll(absl::CancelledError("the server stops"));
  {
    base::MutexLock lock(mutex_);
    stop_ = true;
  }
  waker_->Wake();
  thread_.join();
}

std::shared_ptr<RequestStream> EngineLoop::NewStream() const {
  return std::make_shared<RequestStream>(options_.stream_events,
                                         [waker = waker_] { waker->Wake(); });
}

std::function<void()> EngineLoop::ReleaseOf(int64_t bytes) const {
  return [memory = extraction_memory_, waker = waker_, bytes] {
    memory->bytes -= bytes;
    waker->Wake();
  };
}

absl::StatusOr<std::shared_ptr<RequestStream>> EngineLoop::Generate(GenerateRequest request) {
  SCANSERVE_RETURN_IF_ERROR(CheckRequest(request, model_->config, options_.max_extraction_bytes));
  auto stream = NewStream();
  GenerateJob::Released released = {ReleaseOf(PromptScorer::Bytes(request)),
                                    ReleaseOf(SessionRecorder::Bytes(request, model_->config))};
  return Submit(std::make_unique<GenerateJob>(std::move(request), *model_, selectable_, stream,
                                              std::move(released)),
                stream);
}

absl::StatusOr<std::shared_ptr<RequestStream>> EngineLoop::Score(ScoreRequest request) {
  SCANSERVE_RETURN_IF_ERROR(CheckRequest(request, model_->config));
  auto stream = NewStream();
  return Submit(std::make_unique<ScoreJob>(std::move(request), *model_, stream), stream);
}

absl::StatusOr<std::shared_ptr<RequestStream>> EngineLoop::Extract(ExtractRequest request) {
  SCANSERVE_RETURN_IF_ERROR(CheckRequest(request, model_->config, options_.max_extraction_bytes));
  auto stream = NewStream();
  auto job = std::make_unique<ExtractJob>(std::move(request), *model_, stream);
  job->OnRelease(ReleaseOf(job->collected_bytes()));
  return Submit(std::move(job), stream);
}

absl::StatusOr<std::shared_ptr<RequestStream>> EngineLoop::Submit(
    std::unique_ptr<Job> job, std::shared_ptr<RequestStream> stream) {
  if (job->slots() > options_.state_slots) {
    return absl::InvalidArgumentError(absl::StrCat(
        "n ", job->slots(), ": at most ", options_.state_slots, " sequences run at once here"));
  }
  auto sequence = std::make_unique<Sequence>();
  sequence->job = std::move(job);
  sequence->request = std::make_shared<ActiveRequest>();
  const RequestBasics& basics = sequence->job->basics();
  sequence->request->stream = stream;
  sequence->request->holder = {basics.caller, basics.priority};
  sequence->request->submitted = absl::Now();
  {
    base::MutexLock lock(mutex_);
    if (!cancel_all_.ok()) return absl::UnavailableError("the server is stopping");
    const absl::Time submitted = sequence->request->submitted;
    SCANSERVE_RETURN_IF_ERROR(queue_.Push(std::move(sequence), submitted));
    UpdateQueueStats();
  }
  waker_->Wake();
  return stream;
}

EngineStats EngineLoop::stats() const {
  base::MutexLock lock(mutex_);
  EngineStats stats = stats_;
  // Readers give it back whenever they are done.
  stats.extraction_bytes = extraction_memory_->bytes;
  return stats;
}

void EngineLoop::CancelAll(absl::Status status) {
  {
    base::MutexLock lock(mutex_);
    if (cancel_all_.ok()) cancel_all_ = std::move(status);
  }
  waker_->Wake();
}

}  // namespace scanserve::runtime
