// Standard output, written at once and checked.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace scanserve::client {

// Belongs to one thread. The process must ignore SIGPIPE.
class Output {
 public:
  explicit Output(int descriptor) : descriptor_(descriptor) {}

  // CANCELLED when the reader has gone (piping to head), UNAVAILABLE when the system cannot write,
  // e.g. on a full disk.
  absl::Status Write(absl::string_view text);

  // Whether the reader has gone: nothing more needs to be done, and nothing went wrong.
  bool reader_gone() const { return reader_gone_; }

 private:
  const int descriptor_;
  bool reader_gone_ = false;
};

}  // namespace scanserve::client
