// The four products of a mixer.
#pragma once

namespace scanserve::model {

enum class Module { kInProj = 0, kXProj = 1, kDtProj = 2, kOutProj = 3 };
inline constexpr int kModules = 4;

// Name in checkpoints, e.g. "in_proj".
const char* ModuleName(Module module);

}  // namespace scanserve::model
