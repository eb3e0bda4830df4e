#include "core/runtime/request_queue.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace scanserve::runtime {

RequestQueue::RequestQueue(int64_t max_requests, int64_t max_tokens)
    : max_requests_(max_requests), max_tokens_(max_tokens) {}

absl::Status RequestQueue::Push(std::unique_ptr<Sequence> sequence) {
  const int64_t tokens = sequence->job->prompt_tokens();
  if (requests() >= max_requests_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the queue is full: ", requests(), " requests wait, at most ", max_requests_));
  }
  if (!empty() && tokens_ + tokens > max_tokens_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the queue is full: ", tokens_, " tokens wait, at most ", max_tokens_));
  }
  waiting_.push_back(std::move(sequence));
  tokens_ += tokens;
  return absl::OkStatus();
}

std::unique_ptr<Sequence> RequestQueue::Take(int32_t slots,
                                             absl::FunctionRef<bool(const Job&)> may_start) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const auto& sequence) { return may_start(*sequence->job); });
  if (found == waiting_.end() || (*found)->job->slots() > slots) return nullptr;
  std::unique_ptr<Sequence> sequence = std::move(*found);
  waiting_.erase(found);
  tokens_ -= sequence->job->prompt_tokens();
  return sequence;
}

std::vector<std::unique_ptr<Sequence>> RequestQueue::Remove(
    absl::FunctionRef<bool(Sequence&)> is_leaving) {
  std::vector<std::unique_ptr<Sequence>> removed;
  for (auto& sequence : waiting_) {
    if (!is_leaving(*sequence)) continue;
    tokens_ -= sequence->job->prompt_tokens();
    removed.push_back(std::move(sequence));
  }
  std::erase(waiting_, nullptr);
  return removed;
}

absl::Time RequestQueue::NextDeadline() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& sequence : waiting_) next = std::min(next, sequence->job->basics().deadline);
  return next;
}

}  // namespace scanserve::runtime
