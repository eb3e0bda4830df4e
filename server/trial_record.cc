#include "server/trial_record.h"

#include <algorithm>
#include <variant>

namespace scanserve::server {

using experiment::Metric;
using experiment::Outcome;

void TrialRecord::Begin(Backend& backend, const std::shared_ptr<const ArmTicket>& ticket,
                        const Call& call, const std::vector<int32_t>& prompt,
                        const absl::Status& submitted) {
  // The client's mistake says nothing of an arm.
  if (absl::IsInvalidArgument(submitted)) return;
  ticket_ = ticket;
  outcome_.unsticky = ticket->unsticky;
  outcome_.prompt_tokens = static_cast<int64_t>(prompt.size());
  ticket_->experiment->Expose(*ticket_);
  if (!submitted.ok()) return End(submitted);
  shadows_ = &backend.shadows();
  shadowed_ = shadows_->Offer(ticket_, call.id(), prompt);
}

void TrialRecord::Take(const runtime::Event& event) {
  if (ticket_ == nullptr) return;
  if (const auto* finished = std::get_if<runtime::Finished>(&event)) {
    outcome_.generated_tokens += finished->generated_tokens;
    longest_answer_ = std::max(longest_answer_, finished->generated_tokens);
  } else if (const auto* delta = std::get_if<runtime::Delta>(&event)) {
    if (shadowed_ == nullptr || delta->choice != 0) return;
    answer_.insert(answer_.end(), delta->tokens.begin(), delta->tokens.end());
  } else if (const auto* ended = std::get_if<runtime::Ended>(&event)) {
    if (ended->status.ok() && longest_answer_ > 0) {
      const auto latency = [this](Metric metric) -> auto& {
        return outcome_.latencies[static_cast<size_t>(metric)];
      };
      latency(Metric::kTimeToFirstToken) = ended->time_to_first_token;
      latency(Metric::kDuration) = ended->total_time;
      if (longest_answer_ > 1) {
        latency(Metric::kInterTokenLatency) =
            (ended->total_time - ended->time_to_first_token) / (longest_answer_ - 1);
      }
    }
    End(ended->status);
  }
}

void TrialRecord::End(const absl::Status& status) {
  if (absl::IsCancelled(status)) {
    outcome_.end = Outcome::End::kCancelled;
  } else if (!status.ok()) {
    outcome_.end = Outcome::End::kError;
  }
  ticket_->experiment->Record(*ticket_, outcome_);
  if (status.ok() && !answer_.empty()) shadows_->OfferAnswer(shadowed_, std::move(answer_));
  ticket_ = nullptr;
}

}  // namespace scanserve::server
