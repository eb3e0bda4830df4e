#include "core/model/mixer_shapes.h"

#include "core/base/check.h"
#include "core/model/mamba.h"
#include "core/ops/channel_group.h"

namespace scanserve::model {
namespace {

ops::LinearShape ShapeWith(const MambaConfig& config, Module module, int64_t channels) {
  const int64_t dt_b_c = config.time_step_rank + 2 * config.state_size;
  switch (module) {
    case Module::kInProj:
      return {2 * channels, config.hidden_size};
    case Module::kXProj:
      return {dt_b_c, channels};
    case Module::kDtProj:
      return {channels, config.time_step_rank};
    case Module::kOutProj:
      return {config.hidden_size, channels};
  }
  SCANSERVE_CHECK(false);
}

}  // namespace

int64_t PaddedChannels(const MambaConfig& config) {
  return (config.inner_size + ops::kChannelGroup - 1) / ops::kChannelGroup * ops::kChannelGroup;
}

ops::LinearShape StoredShape(const MambaConfig& config, Module module) {
  return ShapeWith(config, module, config.inner_size);
}

ops::LinearShape ComputedShape(const MambaConfig& config, Module module) {
  return ShapeWith(config, module, PaddedChannels(config));
}

int64_t StoredRow(const MambaConfig& config, Module module, int64_t n) {
  const int64_t padded = PaddedChannels(config);
  switch (module) {
    case Module::kInProj: {
      const int64_t channel = n % padded;
      return channel < config.inner_size ? n / padded * config.inner_size + channel : -1;
    }
    case Module::kDtProj:
      return n < config.inner_size ? n : -1;
    case Module::kXProj:
    case Module::kOutProj:
      return n;
  }
  SCANSERVE_CHECK(false);
}

bool HasBias(const MambaConfig& config, Module module) {
  switch (module) {
    case Module::kInProj:
    case Module::kOutProj:
      return config.use_bias;
    case Module::kDtProj:
      return true;
    case Module::kXProj:
      return false;
  }
  SCANSERVE_CHECK(false);
}

int64_t ParameterCount(const MambaConfig& config) {
  const int64_t conv = config.conv_kernel + (config.use_conv_bias ? 1 : 0);
  // The norm, and of each channel: conv1d, A_log and D.
  int64_t layer = config.hidden_size + config.inner_size * (conv + config.state_size + 1);
  for (int i = 0; i < kModules; ++i) {
    const auto module = static_cast<Module>(i);
    const ops::LinearShape shape = StoredShape(config, module);
    layer += shape.out_features * (shape.in_features + (HasBias(config, module) ? 1 : 0));
  }
  const int64_t tables = config.tie_word_embeddings ? 1 : 2;
  return tables * config.vocab_size * config.hidden_size + config.num_layers * layer +
         config.hidden_size;
}

const char* ModuleName(Module module) {
  constexpr const char* kNames[kModules] = {"in_proj", "x_proj", "dt_proj", "out_proj"};
  return kNames[static_cast<int>(module)];
}

}  // namespace scanserve::model
