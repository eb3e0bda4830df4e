// Requests whose readers do not read: without slots, with their states, bounded in bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "core/runtime/sequence.h"

namespace scanserve::runtime {

// Belongs to the engine's thread.
class ParkedRequests {
 public:
  // Their states and residuals take at most `max_bytes`.
  explicit ParkedRequests(int64_t max_bytes);

  // Parks all sequences of one request. Returns those of the requests that must end for it, the
  // one stalled longest first, perhaps its own.
  std::vector<std::unique_ptr<Sequence>> Add(std::vector<std::unique_ptr<Sequence>> sequences);
  // Slots that the first request whose reader reads again needs; nothing when there is none.
  std::optional<int32_t> ReadySlots() const;
  // The sequences of that request.
  std::vector<std::unique_ptr<Sequence>> TakeReady();
  // All sequences that `is_leaving` says yes to, which must be the same for all of a request.
  std::vector<std::unique_ptr<Sequence>> Remove(absl::FunctionRef<bool(Sequence&)> is_leaving);

  void ForEach(absl::FunctionRef<void(Sequence&)> visit) const;
  bool empty() const { return parked_.empty(); }
  int64_t requests() const { return static_cast<int64_t>(parked_.size()); }
  int64_t bytes() const { return bytes_; }

 private:
  using Parked = std::vector<std::unique_ptr<Sequence>>;

  // The first whose reader has room.
  std::vector<Parked>::const_iterator FirstReady() const;
  Parked TakeAt(std::vector<Parked>::const_iterator place);

  const int64_t max_bytes_;
  // In the order of parking, which is that of stalling.
  std::vector<Parked> parked_;
  int64_t bytes_ = 0;
};

}  // namespace scanserve::runtime
