// What a failed call says to a person.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "grpcpp/support/status.h"

namespace scanserve::client {

// One sentence, without a full stop, for a status that is not OK: what to do when `server` (its
// address) does not answer or speaks another TLS, else "CODE: the server's message", with the delay
// after which a retry may succeed where the server names one.
std::string StatusSentence(const grpc::Status& status, absl::string_view server);

}  // namespace scanserve::client
