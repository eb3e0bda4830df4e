#include "server/session_reply.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/convert_time.h"
#include "server/session_resume.h"
#include "server/session_seal.h"

namespace scanserve::server {
namespace {

// What a message has around a chunk's bytes, and a request around a session, at most.
constexpr int64_t kMessageOverheadBytes = 1 << 10;
constexpr int64_t kRequestOverheadBytes = 128 << 10;

}  // namespace

absl::Status CheckSessionsFit(const Backend& backend) {
  const model::MambaConfig& config = backend.model().config;
  const int64_t state = model::SequenceStateBytes(config);
  // Besides the state: two counts for each token of the vocabulary, and the pending tokens.
  const int64_t counts = 16 * config.vocab_size + 4 * backend.limits().new_tokens;
  if (state + counts + kRequestOverheadBytes > kMaxSessionBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("return_session: a session of this model can take ", state + counts,
                     " bytes, at most ", kMaxSessionBytes));
  }
  if (state + kRequestOverheadBytes > backend.options().max_message_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("return_session: a session of this model takes ", state,
                     " bytes and more, which no request could bring back: --max-message-bytes is ",
                     backend.options().max_message_bytes));
  }
  return absl::OkStatus();
}

absl::Status SessionReply::Seal(Backend& backend, const RequestSetting& setting,
                                std::shared_ptr<const runtime::Session> session,
                                absl::string_view caller) {
  const SessionBinding binding = NewSessionBinding(backend, setting, caller);
  SCANSERVE_ASSIGN_OR_RETURN(sealed_, SealSession(*backend.session_keys().Current(), binding,
                                                  runtime::EncodeSession(*session)));
  session_ = std::move(session);
  expires_ = binding.expires;
  sent_ = 0;
  return absl::OkStatus();
}

void SessionReply::Next(v1::SessionChunk* chunk) {
  const size_t bytes = std::min(static_cast<size_t>(kMaxServerMessageBytes - kMessageOverheadBytes),
                                sealed_.size() - sent_);
  chunk->set_data(sealed_.substr(sent_, bytes));
  chunk->set_total_bytes(static_cast<int64_t>(sealed_.size()));
  *chunk->mutable_expires() = TimestampToProto(expires_);
  sent_ += bytes;
  if (complete()) *this = SessionReply();
}

}  // namespace scanserve::server
