#include "core/runtime/engine.h"

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

EngineOptions WithDefaults(EngineOptions options) {
  if (options.threads == 0) {
    options.threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }
  // Every decoding sequence has a place in each step.
  options.step_tokens = std::max<int64_t>(options.step_tokens, options.state_slots);
  return options;
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
      runner_(*model_, options.threads, options.step_tokens),
      thread_([this] { Main(); }) {}

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

absl::StatusOr<std::shared_ptr<RequestStream>> EngineLoop::Generate(GenerateRequest request) {
  SCANSERVE_RETURN_IF_ERROR(CheckRequest(request, model_->config));
  auto stream = NewStream();
  return Submit(std::make_unique<GenerateJob>(std::move(request), *model_, selectable_, stream),
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
  job->OnRelease([memory = extraction_memory_, waker = waker_, bytes = job->collected_bytes()] {
    memory->bytes -= bytes;
    waker->Wake();
  });
  return Submit(std::move(job), stream);
}

absl::StatusOr<std::shared_ptr<RequestStream>> EngineLoop::Submit(
    std::unique_ptr<Job> job, std::shared_ptr<RequestStream> stream) {
  auto sequence = std::make_unique<Sequence>();
  sequence->job = std::move(job);
  sequence->stream = stream;
  sequence->submitted = absl::Now();
  const int64_t tokens = sequence->job->prompt_tokens();
  {
    base::MutexLock lock(mutex_);
    if (!cancel_all_.ok()) return absl::UnavailableError("the server is stopping");
    if (static_cast<int64_t>(queue_.size()) >= options_.queued_requests) {
      return absl::ResourceExhaustedError(absl::StrCat("the queue is full: ", queue_.size(),
                                                       " requests wait, at most ",
                                                       options_.queued_requests));
    }
    if (!queue_.empty() && queued_tokens_ + tokens > options_.queued_tokens) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "the queue is full: ", queued_tokens_, " tokens wait, at most ", options_.queued_tokens));
    }
    queue_.push_back(std::move(sequence));
    queued_tokens_ += tokens;
    stats_.queued = static_cast<int64_t>(queue_.size());
  }
  waker_->Wake();
  return stream;
}

EngineStats EngineLoop::stats() const {
  base::MutexLock lock(mutex_);
  return stats_;
}

void EngineLoop::CancelAll(absl::Status status) {
  {
    base::MutexLock lock(mutex_);
    if (cancel_all_.ok()) cancel_all_ = std::move(status);
  }
  waker_->Wake();
}

}  // namespace scanserve::runtime
