// The work of one check of a scan setting: prompts for the engine, and what their rows show.
//
// A row is the final norm's output at a position. Its logits are a product of that row and the
// head alone, so a row that is equal to the bit has equal logits, and the head need not be
// computed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "core/order/leak_check.h"
#include "core/runtime/request.h"
#include "scanserve/v1/scan_order_service.pb.h"
#include "server/backend.h"
#include "server/call.h"
#include "server/request_setting.h"

namespace scanserve::server {

// Not thread-safe.
class ScanCheck {
 public:
  // Errors of ChooseSetting; INVALID_ARGUMENT for a field out of range and for more model tokens or
  // bytes of rows than the limits allow; FAILED_PRECONDITION when rows are to be computed and
  // nothing promises equal bits.
  static absl::StatusOr<std::unique_ptr<ScanCheck>> Create(
      const Backend& backend, const v1::CheckScanSettingRequest& request);

  // The prompt to compute now, one after the other; nothing when all were.
  std::optional<runtime::ExtractRequest> NextPrompt(const Call& call);
  // The rows of the prompt that was given last.
  void TakeRows(const runtime::HiddenStates& rows);

  void Fill(const Backend& backend, v1::CheckScanSettingResponse* response) const;

 private:
  ScanCheck(RequestSetting setting, const v1::CheckScanSettingRequest& request,
            const model::LanguageModel& model);

  absl::Status CheckWork(const Backend& backend) const;
  int64_t prompts() const;
  // Of the prompt that was given last.
  int64_t rows() const;
  std::vector<uint64_t> Fingerprints(const std::vector<float>& rows) const;

  const RequestSetting setting_;
  const int64_t length_;
  const uint64_t seed_;
  const int64_t hidden_size_;
  const int32_t vocabulary_;
  order::LeakCheck check_;
  std::vector<int32_t> tokens_;
  // Prompts given so far, the first of which has no token replaced.
  int64_t given_ = 0;
  // Of the first prompt's rows. The rows themselves would hold memory that others wait for.
  std::vector<uint64_t> first_;
};

}  // namespace scanserve::server
