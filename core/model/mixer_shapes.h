// Shapes of a mixer's four products, as checkpoints store them and as they are computed, and how
// many parameters a model has by them.
//
// Inside, the inner size is rounded up to whole channel groups, so that conv1d and scan work on
// full vectors. The weights of added channels are zero.
#pragma once

#include <cstdint>
#include <functional>

#include "core/model/mamba_config.h"
#include "core/model/mixer_module.h"
#include "core/ops/linear.h"

namespace scanserve::model {

// [out, in] of a module's weight in a checkpoint.
ops::LinearShape StoredShape(const MambaConfig& config, Module module);
// [out, in] as computed.
ops::LinearShape ComputedShape(const MambaConfig& config, Module module);
// The stored row that computed row `n` comes from, or -1 for an added row of zeros. Only in_proj,
// whose output is u and then z, moves rows.
int64_t StoredRow(const MambaConfig& config, Module module, int64_t n);
// Whether a checkpoint has a bias for the module.
bool HasBias(const MambaConfig& config, Module module);

// Parameters of a checkpoint with this config; the head counts only when it is not tied.
int64_t ParameterCount(const MambaConfig& config);

}  // namespace scanserve::model
