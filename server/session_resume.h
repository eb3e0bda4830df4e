// Resuming a session that a client brought back.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/runtime/session.h"
#include "scanserve/v1/scan.pb.h"
#include "server/backend.h"
#include "server/request_setting.h"
#include "server/session_seal.h"

namespace scanserve::server {

struct ResumedSession {
  SessionBinding binding;
  std::shared_ptr<const runtime::Session> session;
};

// Opens `sealed`. Errors of OpenSession() and CheckSessionBinding(); `caller` is the identity that
// the caller has proved.
absl::StatusOr<ResumedSession> ResumeSession(Backend& backend, absl::string_view sealed,
                                             absl::string_view caller);

// The setting and the adapter with which the session began; its order need not be stored any more,
// since what follows is read in natural order. FAILED_PRECONDITION when the request names others,
// or when the adapter is not served; errors of ChooseSetting() for what it names.
absl::StatusOr<RequestSetting> ResumedSetting(const Backend& backend, const SessionBinding& binding,
                                              const v1::ScanChoice& scan,
                                              const v1::AdapterChoice& adapter);

// What a session of `setting` is bound to when it is made now.
SessionBinding NewSessionBinding(const Backend& backend, const RequestSetting& setting,
                                 absl::string_view caller);

}  // namespace scanserve::server
