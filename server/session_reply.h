// A session on its way to the client: sealed, and cut into messages.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "core/runtime/session.h"
#include "scanserve/v1/inference_service.pb.h"
#include "server/backend.h"
#include "server/request_setting.h"

namespace scanserve::server {

// INVALID_ARGUMENT when a session of the model served could be too large to be sealed, or to be
// sent back in a request.
absl::Status CheckSessionsFit(const Backend& backend);

// Not thread-safe.
class SessionReply {
 public:
  // Holds `session` as long as the sealed bytes, because the engine counts it for both.
  // UNAVAILABLE when the system gives no random bits.
  absl::Status Seal(Backend& backend, const RequestSetting& setting,
                    std::shared_ptr<const runtime::Session> session, absl::string_view caller);

  // Whether there is nothing more to send.
  bool complete() const { return sent_ == sealed_.size(); }
  // Fills the next message. Not when it is complete.
  void Next(v1::SessionChunk* chunk);

 private:
  std::shared_ptr<const runtime::Session> session_;
  std::string sealed_;
  size_t sent_ = 0;
  absl::Time expires_;
};

}  // namespace scanserve::server
