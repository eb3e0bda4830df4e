// Changes that the disk refuses: UNAVAILABLE, and everything stays as it was.
#include "tests/core/store/full_disk.h"
#include "tests/core/store/store_test_base.h"

namespace scanserve::store {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

class StoreRefusalTest : public StoreTestBase {
 protected:
  void SetUp() override {
    StoreTestBase::SetUp();
    ASSERT_TRUE(Put("a", {1, 0}).ok());
    ASSERT_TRUE(Put("a", {0, 1}).ok());
    ASSERT_TRUE(Activate("a").ok());
  }
};

TEST_F(StoreRefusalTest, PutLeavesNothingBehind) {
  const std::vector<OrderRecord> before = store_->List();
  // The sidecar, written last, is larger than the arrays of so short an order.
  for (const rlim_t bytes : {0, 100, 160}) {
    const FullDisk full(bytes);
    EXPECT_TRUE(absl::IsUnavailable(Put("a", {2, 1, 0}).status()));
    EXPECT_TRUE(absl::IsUnavailable(Put("new", {2, 1, 0}).status()));
  }
  EXPECT_EQ(store_->List(), before);
  EXPECT_FALSE(Exists("orders/new"));
  EXPECT_FALSE(Exists("orders/a/3.npy"));
  Reopen();
  EXPECT_EQ(store_->List(), before);
  EXPECT_EQ(Put("a", {2, 1, 0})->record.version, 3);
}

TEST_F(StoreRefusalTest, SetActiveAndRollBackKeepTheSettingAndTheRevision) {
  const ActiveSetting before = store_->GetActive(kModel).value();
  {
    const FullDisk full(10);
    EXPECT_TRUE(absl::IsUnavailable(Activate("a", 1).status()));
    EXPECT_TRUE(absl::IsUnavailable(store_->RollBack(kModel, std::nullopt).status()));
  }
  EXPECT_EQ(store_->GetActive(kModel).value(), before);
  EXPECT_EQ(store_->revision(), before.revision);
  Reopen();
  EXPECT_EQ(store_->GetActive(kModel).value(), before);
}

TEST_F(StoreRefusalTest, DeleteKeepsTheVersion) {
  {
    const FullDisk full(10);
    EXPECT_TRUE(absl::IsUnavailable(store_->Delete("a", 1).status()));
  }
  EXPECT_THAT(store_->Load({"a", 1, ""})->order->pi(), ElementsAre(1, 0));
  Reopen();
  EXPECT_THAT(store_->List(), SizeIs(3));
}

TEST_F(StoreRefusalTest, AVanishedFolderStopsChangesButNotWhatIsHeld) {
  const LoadedOrder held = store_->Load({"a", 1, ""}).value();
  std::filesystem::remove_all(folder_);
  EXPECT_TRUE(absl::IsUnavailable(Put("b", {2, 1, 0}).status()));
  EXPECT_TRUE(absl::IsUnavailable(Activate("a", 1).status()));
  EXPECT_EQ(store_->Load({"a", 1, ""})->order, held.order);
  EXPECT_EQ(ActiveName(), "a");
}

}  // namespace
}  // namespace scanserve::store
