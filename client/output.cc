#include "client/output.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace scanserve::client {

absl::Status Output::Write(absl::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor_, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EPIPE) {
      reader_gone_ = true;
      return absl::CancelledError("the reader of standard output has gone");
    } else if (errno != EINTR) {
      return absl::UnavailableError(
          absl::StrCat("cannot write to standard output: ", std::strerror(errno)));
    }
  }
  return absl::OkStatus();
}

}  // namespace scanserve::client
