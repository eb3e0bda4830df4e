// MurmurHash3_x86_32: a hash that other systems compute too, so that a client can predict its arm.
//
// Not for secrecy: whoever chooses keys can find some with any hash, unless part of them is random.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace scanserve::experiment {

// A. Appleby's MurmurHash3, 32 bits, of the bytes of `key`.
uint32_t Murmur3(absl::string_view key, uint32_t seed);

}  // namespace scanserve::experiment
