#include "client/scanctl/session_file.h"

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"

namespace scanserve::client {

absl::StatusOr<std::string> ReadSession(const std::string& path) {
  SCANSERVE_ASSIGN_OR_RETURN(std::string session, base::ReadFile(path, kMaxSessionBytes));
  if (session.empty()) return absl::InvalidArgumentError(absl::StrCat(path, " is empty"));
  return session;
}

absl::Status ReceivedSession::Add(const v1::SessionChunk& chunk) {
  total_bytes_ = chunk.total_bytes();
  data_ += chunk.data();
  if (bytes() > total_bytes_ || bytes() > kMaxSessionBytes) {
    return absl::DataLossError(absl::StrCat("the server sent ", bytes(), " bytes of a session of ",
                                            total_bytes_, ", at most ", kMaxSessionBytes));
  }
  return absl::OkStatus();
}

absl::Status ReceivedSession::Write(const std::string& path) const {
  if (data_.empty() || bytes() < total_bytes_) {
    return absl::DataLossError(absl::StrCat("the server sent ", bytes(), " bytes of a session of ",
                                            total_bytes_, ": ", path, " is not written"));
  }
  return base::WriteFileDurably(path, data_, base::Readers::kOwner);
}

}  // namespace scanserve::client
