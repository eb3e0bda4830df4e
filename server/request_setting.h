// What decides a request's numbers: its scan setting and its adapter, chosen when it arrives, and
// where they come from an experiment, the arm.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "core/runtime/request.h"
#include "scanserve/v1/inference_service.pb.h"
#include "server/backend.h"
#include "server/call.h"

namespace scanserve::server {

struct ArmTicket;

// Holding it keeps order and adapter, whatever is switched meanwhile.
struct RequestSetting {
  std::shared_ptr<const PinnedScan> scan;
  // Null is the base model.
  AdapterPtr adapter;
  // Null outside experiments.
  std::shared_ptr<const ArmTicket> ticket;
};

// Who asks, for experiments.
struct Participant {
  // Empty: `request_id` stands for the unit.
  absl::string_view unit_key;
  absl::string_view request_id;
  // Whether what is unset counts as `assigned`, or only what says so.
  bool when_unset = false;
};

// NOT_FOUND unless `name` is empty or that of the model served.
absl::Status CheckModelName(const Backend& backend, const std::string& name);

// What is unset or `assigned` gets the active setting and the default adapter. Errors of
// ScanSelector::Pin and AdapterTable::Find.
absl::StatusOr<RequestSetting> ChooseSetting(const Backend& backend, const v1::ScanChoice& scan,
                                             const v1::AdapterChoice& adapter);
// The same for scoring in `mode`. SLIDING knows natural order alone: what the server assigns gives
// way to it, what was named is INVALID_ARGUMENT. `field` holds `scan` in the request.
absl::StatusOr<RequestSetting> ChooseScoredSetting(const Backend& backend, absl::string_view field,
                                                   v1::PerplexityMode mode,
                                                   const v1::ScanChoice& scan,
                                                   const v1::AdapterChoice& adapter);
absl::StatusOr<std::shared_ptr<const PinnedScan>> ChooseScan(const Backend& backend,
                                                             const v1::ScanChoice& choice);
absl::StatusOr<AdapterPtr> ChooseAdapter(const Backend& backend, const v1::AdapterChoice& choice);

// The setting of an arm, if one is assigned: an experiment runs, the unit takes part, and the
// request leaves both scan and adapter to the server.
std::optional<RequestSetting> AssignedSetting(const Backend& backend, const Participant& who,
                                              const v1::ScanChoice& scan,
                                              const v1::AdapterChoice& adapter);

// Tokens that a prompt or window may have under `scan`.
int64_t MaxPromptTokens(const RequestLimits& limits, const PinnedScan& scan);

// What a call or request under the setting is counted under.
RequestLabels LabelsOf(const RequestSetting& setting);

runtime::RequestBasics Basics(const RequestSetting& setting, const Call& call,
                              runtime::Priority priority);

v1::InForce InForceToProto(const Backend& backend, const RequestSetting& setting);
v1::AdapterRef AdapterRefToProto(const model::Adapter& adapter);

}  // namespace scanserve::server
