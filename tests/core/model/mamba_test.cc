// What the products of a batch cost: which of them run, and over how many rows.
#include "core/model/mamba.h"

#include <gtest/gtest.h>

#include "tests/core/model/checkpoint_folder.h"
#include "tests/core/model/counted_linear.h"

namespace scanserve::model {
namespace {

// Three layers; the adapter has r = 4 on all four products.
class MambaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto model = LoadLanguageModel(folder_.path(), counted_);
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
  }

  std::shared_ptr<const Adapter> NewAdapter() const {
    return Adapter::Load("a", folder_.path() + "/adapters/all_modules", model_->config, counted_)
        .value();
  }

  // Of one layer, for sequences of two rows with these adapters.
  LinearRuns RunsOf(const std::vector<const Adapter*>& adapters) {
    std::vector<std::unique_ptr<SequenceState>> states;
    std::vector<SequenceRows> batch;
    for (const Adapter* adapter : adapters) {
      states.push_back(std::make_unique<SequenceState>(model_->config));
      batch.push_back({2, states.back().get(), adapter});
    }
    const auto rows = static_cast<int64_t>(2 * adapters.size());
    LayerWorkspace workspace(model_->config, rows);
    std::vector<float> residual(static_cast<size_t>(rows * model_->config.hidden_size), 1.0F);
    base::ThreadPool pool(1);
    runs_ = LinearRuns();
    model_->network->RunLayer(0, batch, residual.data(), workspace, pool);
    return runs_;
  }

  const CheckpointFolder folder_{"odd_vocabulary"};
  LinearRuns runs_;
  const ops::LinearFactory counted_ = CountedLinears(/*rank=*/4, runs_);
  std::shared_ptr<const LanguageModel> model_;
};

TEST_F(MambaTest, AnAdapterCostsOnePairOfSmallProductsAModule) {
  const auto first = NewAdapter();
  const auto second = NewAdapter();
  const auto third = NewAdapter();
  EXPECT_EQ(RunsOf({nullptr, nullptr}).small, 0);
  EXPECT_EQ(RunsOf({nullptr, first.get()}).small, 2 * kModules);
  const LinearRuns runs = RunsOf({nullptr, nullptr, first.get(), first.get(), first.get(),
                                  second.get(), third.get(), third.get()});
  EXPECT_EQ(runs.small, 3 * 2 * kModules);
  EXPECT_EQ(runs.full, kModules) << "all rows share the base model's products";
  EXPECT_EQ(runs.full_rows, 16 * kModules);
}

TEST_F(MambaTest, RowsOfAMergedAdapterRunThroughItsProductsAlone) {
  const auto plain = NewAdapter();
  const auto merged = NewAdapter()->Merge(*model_->network, counted_);
  const LinearRuns alone = RunsOf({merged.get(), merged.get()});
  EXPECT_EQ(alone.small, 0);
  EXPECT_EQ(alone.full, kModules);
  EXPECT_EQ(alone.full_rows, 4 * kModules);
  const LinearRuns mixed = RunsOf({nullptr, plain.get(), merged.get(), merged.get()});
  EXPECT_EQ(mixed.small, 2 * kModules);
  EXPECT_EQ(mixed.full, 2 * kModules);
  EXPECT_EQ(mixed.full_rows, 8 * kModules) << "no row is computed twice";
}

}  // namespace
}  // namespace scanserve::model
