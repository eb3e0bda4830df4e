#include "core/runtime/parked_requests.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace scanserve::runtime {
namespace {

int64_t Bytes(const std::vector<std::unique_ptr<Sequence>>& sequences) {
  int64_t bytes = 0;
  for (const auto& sequence : sequences) {
    bytes +=
        sequence->state->bytes() + static_cast<int64_t>(sequence->residual.size() * sizeof(float));
  }
  return bytes;
}

void Append(std::vector<std::unique_ptr<Sequence>> more,
            std::vector<std::unique_ptr<Sequence>>& to) {
  std::move(more.begin(), more.end(), std::back_inserter(to));
}

}  // namespace

ParkedRequests::ParkedRequests(int64_t max_bytes) : max_bytes_(max_bytes) {}

std::vector<std::unique_ptr<Sequence>> ParkedRequests::Add(
    std::vector<std::unique_ptr<Sequence>> sequences) {
  bytes_ += Bytes(sequences);
  parked_.push_back(std::move(sequences));
  std::vector<std::unique_ptr<Sequence>> ending;
  while (bytes_ > max_bytes_) {
    const auto longest =
        std::min_element(parked_.begin(), parked_.end(), [](const Parked& a, const Parked& b) {
          return a.front()->request->paused_since < b.front()->request->paused_since;
        });
    Append(TakeAt(longest), ending);
  }
  return ending;
}

std::vector<ParkedRequests::Parked>::const_iterator ParkedRequests::FirstReady() const {
  return std::find_if(parked_.begin(), parked_.end(), [](const Parked& sequences) {
    return sequences.front()->request->stream->HasRoom();
  });
}

ParkedRequests::Parked ParkedRequests::TakeAt(std::vector<Parked>::const_iterator place) {
  const auto found = parked_.begin() + (place - parked_.cbegin());
  Parked taken = std::move(*found);
  parked_.erase(found);
  bytes_ -= Bytes(taken);
  return taken;
}

std::optional<int32_t> ParkedRequests::ReadySlots() const {
  const auto ready = FirstReady();
  if (ready == parked_.end()) return std::nullopt;
  int32_t slots = static_cast<int32_t>(ready->size());
  // The forks to come have given theirs back.
  if (!ready->front()->forked) slots += ready->front()->job->slots() - 1;
  return slots;
}

std::vector<std::unique_ptr<Sequence>> ParkedRequests::TakeReady() { return TakeAt(FirstReady()); }

std::vector<std::unique_ptr<Sequence>> ParkedRequests::Remove(
    absl::FunctionRef<bool(Sequence&)> is_leaving) {
  std::vector<std::unique_ptr<Sequence>> removed;
  for (auto place = parked_.cbegin(); place != parked_.cend();) {
    if (!is_leaving(*place->front())) {
      ++place;
      continue;
    }
    const auto index = place - parked_.cbegin();
    Append(TakeAt(place), removed);
    place = parked_.cbegin() + index;
  }
  return removed;
}

void ParkedRequests::ForEach(absl::FunctionRef<void(Sequence&)> visit) const {
  for (const Parked& sequences : parked_) {
    for (const auto& sequence : sequences) visit(*sequence);
  }
}

}  // namespace scanserve::runtime
