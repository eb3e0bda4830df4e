#include "core/runtime/request_queue.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/retry_delay.h"

namespace scanserve::runtime {
namespace {

// Part of a new observation in the time that an admission takes.
constexpr double kAdmissionRate = 0.125;
constexpr absl::Duration kShortestRetry = absl::Milliseconds(100);
constexpr absl::Duration kLongestRetry = absl::Minutes(1);

bool LowMayHold(const StateSlots& slots, int32_t more) {
  const int32_t held = slots.held_at_low_priority();
  // The first may hold what it needs, or it would wait for ever.
  return held == 0 || held + more <= slots.total() * 3 / 4;
}

}  // namespace

RequestQueue::RequestQueue(int64_t max_requests, int64_t max_tokens, double low_share)
    : max_requests_(max_requests), max_tokens_(max_tokens), low_share_(low_share) {}

absl::Status RequestQueue::Push(std::unique_ptr<Sequence> sequence, absl::Time now) {
  const int64_t tokens = sequence->job->prompt_tokens();
  if (requests() >= max_requests_) {
    return base::WithRetryDelay(
        absl::ResourceExhaustedError(absl::StrCat("the queue is full: ", requests(),
                                                  " requests wait, at most ", max_requests_)),
        RetryDelay(now));
  }
  if (!empty() && tokens_ + tokens > max_tokens_) {
    return base::WithRetryDelay(
        absl::ResourceExhaustedError(
            absl::StrCat("the queue is full: ", tokens_, " tokens wait, at most ", max_tokens_)),
        RetryDelay(now));
  }
  if (empty()) waiting_since_ = now;
  waiting_.push_back(std::move(sequence));
  tokens_ += tokens;
  return absl::OkStatus();
}

absl::Duration RequestQueue::RetryDelay(absl::Time now) const {
  const absl::Duration each = std::max(time_per_admission_, now - waiting_since_);
  const double places = std::max(1.0, static_cast<double>(requests()) / 4);
  return std::clamp(places * each, kShortestRetry, kLongestRetry);
}

RequestQueue::Place RequestQueue::Next(Priority priority, const StateSlots& slots,
                                       absl::FunctionRef<bool(const Job&)> may_start) {
  auto next = waiting_.end();
  std::tuple<bool, int32_t> least;
  for (auto place = waiting_.begin(); place != waiting_.end(); ++place) {
    const Job& job = *(*place)->job;
    if (job.basics().priority != priority || !may_start(job)) continue;
    if (priority == Priority::kLow && !LowMayHold(slots, job.slots())) continue;
    const int32_t held = slots.held_by(job.basics().caller);
    const std::tuple<bool, int32_t> rank = {held + job.slots() > slots.total() / 2, held};
    if (next != waiting_.end() && rank >= least) continue;
    next = place;
    least = rank;
  }
  return next;
}

std::unique_ptr<Sequence> RequestQueue::Take(const StateSlots& slots,
                                             absl::FunctionRef<bool(const Job&)> may_start,
                                             absl::Time now) {
  const Place normal = Next(Priority::kNormal, slots, may_start);
  const Place low = Next(Priority::kLow, slots, may_start);
  const bool contested = normal != waiting_.end() && low != waiting_.end();
  const bool low_is_next = normal == waiting_.end() || (contested && low_credit_ + low_share_ >= 1);
  const Place next = low_is_next ? low : normal;
  if (next == waiting_.end() || (*next)->job->slots() > slots.free()) return nullptr;
  if (contested) low_credit_ += low_share_ - (low_is_next ? 1 : 0);
  time_per_admission_ += kAdmissionRate * (now - waiting_since_ - time_per_admission_);
  waiting_since_ = now;
  std::unique_ptr<Sequence> sequence = std::move(*next);
  waiting_.erase(next);
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

int64_t RequestQueue::requests_of(Priority priority) const {
  return std::count_if(waiting_.begin(), waiting_.end(), [&](const auto& sequence) {
    return sequence->job->basics().priority == priority;
  });
}

absl::Time RequestQueue::NextDeadline() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& sequence : waiting_) next = std::min(next, sequence->job->basics().deadline);
  return next;
}

}  // namespace scanserve::runtime
