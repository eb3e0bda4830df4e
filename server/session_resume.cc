#include "server/session_resume.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/status_macros.h"
#include "server/grpc_status.h"

namespace scanserve::server {
namespace {

std::string DigestOf(const AdapterPtr& adapter) {
  return adapter == nullptr ? "" : adapter->digest();
}

std::string AdapterText(const std::string& digest) {
  return digest.empty() ? "without an adapter"
                        : absl::StrCat("with adapter ", digest.substr(0, 12));
}

std::string ScanText(const store::ScanSetting& scan) {
  if (scan.order_digest.empty()) return "natural order";
  return absl::StrCat("order ", scan.order_name, " (", scan.order_digest.substr(0, 12), ")");
}

// Whether two settings read a prompt in the same way.
bool ReadsAlike(const store::ScanSetting& a, const store::ScanSetting& b, int64_t num_layers) {
  if (a.order_digest != b.order_digest) return false;
  if (a.order_digest.empty()) return true;
  // Naming all layers is naming none.
  const auto layers = [num_layers](const store::ScanSetting& scan) {
    return static_cast<int64_t>(scan.target_layers.size()) == num_layers ? std::vector<int32_t>()
                                                                         : scan.target_layers;
  };
  return layers(a) == layers(b) && a.readout == b.readout;
}

bool NamesScan(const v1::ScanChoice& scan) {
  return scan.scan_case() != v1::ScanChoice::SCAN_NOT_SET &&
         scan.scan_case() != v1::ScanChoice::kAssigned;
}

bool NamesAdapter(const v1::AdapterChoice& adapter) {
  return adapter.adapter_case() != v1::AdapterChoice::ADAPTER_NOT_SET &&
         adapter.adapter_case() != v1::AdapterChoice::kAssigned;
}

absl::StatusOr<AdapterPtr> ResumedAdapter(const Backend& backend, const SessionBinding& binding,
                                          const v1::AdapterChoice& choice) {
  v1::AdapterChoice begun_with;
  if (binding.adapter_digest.empty()) {
    begun_with.mutable_base();
  } else {
    begun_with.mutable_ref()->set_digest(binding.adapter_digest);
  }
  auto adapter = ChooseAdapter(backend, NamesAdapter(choice) ? choice : begun_with);
  if (!NamesAdapter(choice) && absl::IsNotFound(adapter.status())) {
    return absl::FailedPreconditionError(absl::StrCat(
        "session: it began ", AdapterText(binding.adapter_digest), ", which is not served"));
  }
  if (adapter.ok() && DigestOf(*adapter) != binding.adapter_digest) {
    return absl::FailedPreconditionError(
        absl::StrCat("adapter: the session began ", AdapterText(binding.adapter_digest),
                     ", the request goes on ", AdapterText(DigestOf(*adapter))));
  }
  return adapter;
}

}  // namespace

absl::StatusOr<ResumedSession> ResumeSession(Backend& backend, absl::string_view sealed,
                                             absl::string_view caller) {
  SCANSERVE_ASSIGN_OR_RETURN(OpenedSession opened,
                             OpenSession(*backend.session_keys().Current(), sealed));
  const model::LanguageModel& model = backend.model();
  SCANSERVE_RETURN_IF_ERROR(
      CheckSessionBinding(opened.binding, CallerDigest(caller), model.digest, absl::Now()));
  auto session = runtime::DecodeSession(opened.session, model.config);
  if (!session.ok()) return WithPrefix(session.status(), "session: ");
  return ResumedSession{std::move(opened.binding),
                        std::make_shared<const runtime::Session>(*std::move(session))};
}

absl::StatusOr<RequestSetting> ResumedSetting(const Backend& backend, const SessionBinding& binding,
                                              const v1::ScanChoice& scan,
                                              const v1::AdapterChoice& adapter) {
  if (NamesScan(scan)) {
    SCANSERVE_ASSIGN_OR_RETURN(const auto named, ChooseScan(backend, scan));
    if (!ReadsAlike(named->setting, binding.scan, backend.model().config.num_layers)) {
      return absl::FailedPreconditionError(
          absl::StrCat("scan: the session began in ", ScanText(binding.scan),
                       ", the request names another setting: ", ScanText(named->setting)));
    }
  }
  RequestSetting setting;
  SCANSERVE_ASSIGN_OR_RETURN(setting.adapter, ResumedAdapter(backend, binding, adapter));
  auto pinned = std::make_shared<PinnedScan>();
  pinned->setting = binding.scan;
  pinned->revision = binding.revision;
  setting.scan = std::move(pinned);
  return setting;
}

SessionBinding NewSessionBinding(const Backend& backend, const RequestSetting& setting,
                                 absl::string_view caller) {
  SessionBinding binding;
  binding.caller_digest = CallerDigest(caller);
  binding.model_digest = backend.model().digest;
  binding.adapter_digest = DigestOf(setting.adapter);
  binding.scan = setting.scan->setting;
  binding.revision = setting.scan->revision;
  binding.expires = absl::Now() + backend.options().session_ttl;
  return binding;
}

}  // namespace scanserve::server
