#include "core/model/adapter.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "core/model/mamba.h"
#include "core/model/mixer_shapes.h"

namespace scanserve::model {
namespace {

LoraPair MakePair(const AdapterContent::Pair& found, const MambaConfig& config,
                  const ops::LinearFactory& make_linear) {
  const ops::LinearShape stored = StoredShape(config, found.module);
  const ops::LinearShape computed = ComputedShape(config, found.module);
  const int64_t rank = found.a->shape[0];
  LoraPair pair;
  pair.a = make_linear(
      {rank, computed.in_features},
      [&](int64_t n, float* row) {
        std::fill(row, row + computed.in_features, 0.0F);
        WidenToFloat(*found.a, n * stored.in_features, stored.in_features, row);
      },
      nullptr);
  pair.b = make_linear(
      {computed.out_features, rank},
      [&](int64_t n, float* row) {
        std::fill(row, row + rank, 0.0F);
        const int64_t source = StoredRow(config, found.module, n);
        if (source < 0) return;
        WidenToFloat(*found.b, source * rank, rank, row);
        for (int64_t i = 0; i < rank; ++i) row[i] *= static_cast<float>(found.scale);
      },
      nullptr);
  return pair;
}

// W + B A with the scale in B, product by product in the layout in which they are computed.
std::unique_ptr<ops::Linear> MergePair(const ops::Linear& base, const LoraPair& pair,
                                       const ops::LinearFactory& make_linear) {
  const ops::LinearShape shape = base.shape();
  const int64_t rank = pair.a->shape().out_features;
  const auto columns = static_cast<size_t>(shape.in_features);
  std::vector<std::vector<float>> a(static_cast<size_t>(rank), std::vector<float>(columns));
  for (int64_t r = 0; r < rank; ++r) pair.a->CopyWeightRow(r, a[static_cast<size_t>(r)].data());
  std::vector<float> b(static_cast<size_t>(rank));
  std::vector<float> change(columns);
  std::vector<float> bias(static_cast<size_t>(shape.out_features));
  base.CopyBias(bias.data());
  return make_linear(
      shape,
      [&](int64_t n, float* row) {
        pair.b->CopyWeightRow(n, b.data());
        std::ranges::fill(change, 0.0F);
        for (size_t r = 0; r < b.size(); ++r) {
          for (size_t k = 0; k < columns; ++k) change[k] += b[r] * a[r][k];
        }
        base.CopyWeightRow(n, row);
        for (size_t k = 0; k < columns; ++k) row[k] += change[k];
      },
      bias.data());
}

std::string Grouped(int64_t value) {
  std::string digits = absl::StrCat(value);
  for (int64_t i = static_cast<int64_t>(digits.size()) - 3; i > 0; i -= 3) {
    digits.insert(static_cast<size_t>(i), ",");
  }
  return digits;
}

}  // namespace

std::shared_ptr<const Adapter> Adapter::Create(std::string name, int64_t version,
                                               const AdapterContent& content,
                                               const MambaConfig& config,
                                               const ops::LinearFactory& make_linear) {
  std::shared_ptr<Adapter> adapter(new Adapter(config));
  Facts& facts = adapter->facts_;
  facts.name = std::move(name);
  facts.version = version;
  facts.digest = content.digest();
  std::set<std::string> kinds;
  for (const AdapterContent::Pair& found : content.pairs()) {
    LoraPair& pair =
        adapter->layers_[static_cast<size_t>(found.layer)][static_cast<size_t>(found.module)].pair;
    pair = MakePair(found, config, make_linear);
    facts.max_rank = std::max(facts.max_rank, static_cast<int32_t>(found.a->shape[0]));
    facts.trainable_parameters += found.a->size() + found.b->size();
    adapter->memory_bytes_ += pair.a->weight_bytes() + pair.b->weight_bytes();
    kinds.insert(ModuleName(found.module));
  }
  facts.modules_matched = static_cast<int32_t>(content.pairs().size());
  facts.target_modules.assign(kinds.begin(), kinds.end());
  return adapter;
}

absl::StatusOr<std::shared_ptr<const Adapter>> Adapter::Load(
    const std::string& name, const std::string& folder, const MambaConfig& config,
    const ops::LinearFactory& make_linear) {
  SCANSERVE_ASSIGN_OR_RETURN(AdapterFiles files, AdapterFiles::Read(folder));
  const auto content = AdapterContent::Parse(std::move(files), config);
  if (!content.ok()) {
    return absl::Status(content.status().code(),
                        absl::StrCat(folder, "/", content.status().message()));
  }
  return Create(name, /*version=*/1, **content, config, make_linear);
}

std::shared_ptr<const Adapter> Adapter::Merge(const Mamba& network,
                                              const ops::LinearFactory& make_linear) const {
  SCANSERVE_CHECK(!merged_);
  std::shared_ptr<Adapter> merged(new Adapter(network.config()));
  merged->facts_ = facts_;
  merged->merged_ = true;
  for (int64_t layer = 0; layer < network.config().num_layers; ++layer) {
    for (int i = 0; i < kModules; ++i) {
      const auto module = static_cast<Module>(i);
      if (pair(layer, module).a == nullptr) continue;
      auto product = MergePair(network.product(layer, module), pair(layer, module), make_linear);
      merged->memory_bytes_ += product->weight_bytes();
      merged->layers_[static_cast<size_t>(layer)][static_cast<size_t>(i)].merged =
          std::move(product);
    }
  }
  return merged;
}

std::string CoverageLine(int64_t trainable_parameters, int64_t model_parameters) {
  const int64_t all = model_parameters + trainable_parameters;
  return absl::StrFormat(
      "trainable params: %s || all params: %s || trainable%%: %.4f", Grouped(trainable_parameters),
      Grouped(all), 100.0 * static_cast<double>(trainable_parameters) / static_cast<double>(all));
}

}  // namespace scanserve::model
