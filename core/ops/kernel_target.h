// Which instruction set the kernels of this folder use. Chosen once, from what the processor has.
#pragma once

#include <string_view>
#include <vector>

namespace scanserve::ops {

// The one in use: "avx512", "avx2", or "generic", which is correct everywhere and slow.
std::string_view KernelTargetName();

// Those that this processor can run, best first. All give the same bits.
std::vector<std::string_view> SupportedKernelTargets();

// Makes all kernels use one of SupportedKernelTargets(), or the best again for an empty name. For
// tests: no kernel may be running.
void SetKernelTargetForTesting(std::string_view name);

}  // namespace scanserve::ops
