// SHA-256 over data that arrives in parts. One object belongs to one thread.
#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace scanserve::base {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void Update(absl::string_view bytes);
  // The digest of all bytes given so far, as 64 lower-case hex digits. Call it once, last.
  std::string FinishHex();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string Sha256Hex(absl::string_view bytes);

}  // namespace scanserve::base
