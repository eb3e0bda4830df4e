#include "server/request_setting.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/convert_scan.h"
#include "server/experiment_table.h"

namespace scanserve::server {

absl::Status CheckModelName(const Backend& backend, const std::string& name) {
  if (name.empty() || name == backend.model().name) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("model: no model ", store::QuotedForMessage(name),
                                          " is served, only ",
                                          store::QuotedForMessage(backend.model().name)));
}

absl::StatusOr<std::shared_ptr<const PinnedScan>> ChooseScan(const Backend& backend,
                                                             const v1::ScanChoice& choice) {
  switch (choice.scan_case()) {
    case v1::ScanChoice::kIdentity:
      return backend.scans().Identity();
    case v1::ScanChoice::kSetting: {
      SCANSERVE_ASSIGN_OR_RETURN(const store::ScanSettingRequest request,
                                 ScanSettingFromProto(choice.setting()));
      return backend.scans().Pin(request);
    }
    case v1::ScanChoice::kAssigned:
    case v1::ScanChoice::kActive:
    case v1::ScanChoice::SCAN_NOT_SET:
      break;
  }
  return backend.scans().Active();
}

absl::StatusOr<AdapterPtr> ChooseAdapter(const Backend& backend, const v1::AdapterChoice& choice) {
  switch (choice.adapter_case()) {
    case v1::AdapterChoice::kBase:
      return AdapterPtr();
    case v1::AdapterChoice::kRef: {
      absl::StatusOr<AdapterPtr> adapter = backend.adapters().Find(
          choice.ref().name(), choice.ref().version(), choice.ref().digest());
      if (adapter.ok()) return adapter;
      return absl::Status(adapter.status().code(),
                          absl::StrCat("adapter.ref: ", adapter.status().message()));
    }
    case v1::AdapterChoice::kAssigned:
    case v1::AdapterChoice::ADAPTER_NOT_SET:
      break;
  }
  return backend.adapters().default_adapter();
}

absl::StatusOr<RequestSetting> ChooseSetting(const Backend& backend, const v1::ScanChoice& scan,
                                             const v1::AdapterChoice& adapter) {
  RequestSetting setting;
  SCANSERVE_ASSIGN_OR_RETURN(setting.scan, ChooseScan(backend, scan));
  SCANSERVE_ASSIGN_OR_RETURN(setting.adapter, ChooseAdapter(backend, adapter));
  return setting;
}

absl::StatusOr<RequestSetting> ChooseScoredSetting(const Backend& backend, absl::string_view field,
                                                   v1::PerplexityMode mode,
                                                   const v1::ScanChoice& scan,
                                                   const v1::AdapterChoice& adapter) {
  SCANSERVE_ASSIGN_OR_RETURN(RequestSetting setting, ChooseSetting(backend, scan, adapter));
  if (mode != v1::PERPLEXITY_MODE_SLIDING) return setting;
  if (scan.has_setting() && setting.scan->permutes()) {
    return absl::InvalidArgumentError(absl::StrCat(field, ".scan: order ",
                                                   setting.scan->setting.order_name,
                                                   ", SLIDING reads in natural order only"));
  }
  setting.scan = backend.scans().Identity();
  return setting;
}

std::optional<RequestSetting> AssignedSetting(const Backend& backend, const Participant& who,
                                              const v1::ScanChoice& scan,
                                              const v1::AdapterChoice& adapter) {
  const bool scan_assigned =
      scan.has_assigned() || (who.when_unset && scan.scan_case() == v1::ScanChoice::SCAN_NOT_SET);
  const bool adapter_assigned =
      adapter.has_assigned() ||
      (who.when_unset && adapter.adapter_case() == v1::AdapterChoice::ADAPTER_NOT_SET);
  if (!scan_assigned || !adapter_assigned) return std::nullopt;
  auto ticket = backend.experiments().Assign(who.unit_key, who.request_id);
  if (ticket == nullptr) return std::nullopt;
  RequestSetting setting;
  setting.scan = ticket->pinned().scan;
  setting.adapter = ticket->pinned().adapter;
  setting.ticket = std::move(ticket);
  return setting;
}

int64_t MaxPromptTokens(const RequestLimits& limits, const PinnedScan& scan) {
  if (!scan.permutes_some_layers()) return limits.prompt_tokens;
  return std::min(limits.prompt_tokens, limits.subset_prompt_tokens);
}

RequestLabels LabelsOf(const RequestSetting& setting) {
  RequestLabels labels;
  labels.order = setting.scan->setting.order_name;
  labels.adapter = setting.adapter == nullptr ? kBaseModelLabel : setting.adapter->name();
  if (setting.ticket != nullptr) labels.arm = setting.ticket->arm_name();
  return labels;
}

runtime::RequestBasics Basics(const RequestSetting& setting, const Call& call,
                              runtime::Priority priority) {
  runtime::RequestBasics basics;
  basics.id = call.id();
  basics.caller = call.caller();
  basics.priority = priority;
  basics.deadline = call.deadline();
  basics.scan = setting.scan->applied;
  basics.adapter = setting.adapter;
  basics.observer = call.ObserverOf(LabelsOf(setting));
  return basics;
}

v1::InForce InForceToProto(const Backend& backend, const RequestSetting& setting) {
  v1::InForce proto;
  *proto.mutable_scan() = ScanSettingToProto(setting.scan->setting);
  if (setting.adapter != nullptr) {
    *proto.mutable_adapter() = AdapterRefToProto(*setting.adapter);
    proto.set_adapter_merged(setting.adapter->merged());
  }
  proto.set_model(backend.model().name);
  proto.set_model_digest(backend.model().digest);
  proto.set_tokenizer_digest(backend.model().tokenizer_digest);
  proto.set_revision(setting.scan->revision);
  proto.set_numerics_id(NumericsId(backend.options().numerics));
  if (setting.ticket != nullptr) {
    proto.set_arm(setting.ticket->arm_name());
    proto.set_experiment(setting.ticket->experiment_id());
    proto.set_unsticky(setting.ticket->unsticky);
  }
  return proto;
}

v1::AdapterRef AdapterRefToProto(const model::Adapter& adapter) {
  v1::AdapterRef proto;
  proto.set_name(adapter.name());
  proto.set_version(adapter.version());
  proto.set_digest(adapter.digest());
  return proto;
}

}  // namespace scanserve::server
