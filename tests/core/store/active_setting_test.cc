// The active setting: switching, revisions, history, rolling back, and what a restart keeps.
#include "tests/core/store/store_test_base.h"

namespace scanserve::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ActiveSettingTest : public StoreTestBase {
 protected:
  void SetUp() override {
    StoreTestBase::SetUp();
    ASSERT_TRUE(Put("a", {1, 0}).ok());
    ASSERT_TRUE(Put("b", {1, 0, 2}).ok());
  }

  std::vector<std::string> HistoryNames() const {
    std::vector<std::string> names;
    const std::vector<ActiveSetting> history = store_->History(kModel).value();
    for (const ActiveSetting& active : history) {
      names.push_back(active.setting.order_name);
    }
    return names;
  }
};

TEST_F(ActiveSettingTest, IsIdentityAtRevisionZeroBeforeTheFirstActivation) {
  const ActiveSetting active = store_->GetActive(kModel).value();
  EXPECT_EQ(active.setting, ScanSetting());
  EXPECT_EQ(active.revision, 0);
  EXPECT_EQ(store_->revision(), 0);
  EXPECT_THAT(HistoryNames(), IsEmpty());
}

TEST_F(ActiveSettingTest, PinsTheVersionThatIsNewestWhenItIsSet) {
  const ActiveSetting active = Activate("a").value();
  EXPECT_EQ(active.setting.order_version, 1);
  EXPECT_EQ(active.setting.order_digest, store_->Get({"a", 1, ""})->digest);
  ASSERT_TRUE(Put("a", {0, 1}).ok());
  EXPECT_EQ(store_->GetActive(kModel)->setting.order_version, 1);
  EXPECT_THAT(store_->Load(active.setting.order_ref())->order->pi(), ElementsAre(1, 0));
}

TEST_F(ActiveSettingTest, SortsTargetLayersAndDropsRepeats) {
  ScanSettingRequest request;
  request.order.name = "a";
  request.target_layers = {5, 1, 5, 3};
  request.readout = order::Readout::kPinLast;
  const ActiveSetting active = store_->SetActive(kModel, request, std::nullopt).value();
  EXPECT_THAT(active.setting.target_layers, ElementsAre(1, 3, 5));
  EXPECT_EQ(active.setting.readout, order::Readout::kPinLast);
}

TEST_F(ActiveSettingTest, RefusesLayersThatNoModelHas) {
  ScanSettingRequest request;
  request.order.name = "a";
  request.target_layers = {3, -1};
  EXPECT_THAT(store_->SetActive(kModel, request, std::nullopt).status().message(),
              HasSubstr("target_layers: -1"));
  request.target_layers = {3, 4096};
  EXPECT_THAT(store_->SetActive(kModel, request, std::nullopt).status().message(),
              HasSubstr("target_layers: 4096"));
  EXPECT_EQ(store_->revision(), 0);
}

TEST_F(ActiveSettingTest, RefusesAnOrderThatIsNotThere) {
  EXPECT_TRUE(absl::IsNotFound(Activate("c").status()));
  EXPECT_TRUE(absl::IsNotFound(Activate("a", 2).status()));
}

TEST_F(ActiveSettingTest, RefusesAStaleRevisionAndNamesTheOneThatWon) {
  EXPECT_EQ(Activate("a", 0, 0)->revision, 1);
  EXPECT_EQ(Activate("b", 0, 1)->revision, 2);
  const absl::Status stale = Activate("a", 0, 1).status();
  EXPECT_TRUE(absl::IsAborted(stale));
  EXPECT_THAT(stale.message(), HasSubstr("revision 2"));
  EXPECT_TRUE(absl::IsAborted(store_->RollBack(kModel, 1).status()));
  EXPECT_EQ(ActiveName(), "b");
}

TEST_F(ActiveSettingTest, ChangesNothingWhenItIsSetToWhatItIs) {
  ASSERT_TRUE(Activate("a").ok());
  EXPECT_EQ(Activate("a", 1)->revision, 1);
  EXPECT_THAT(HistoryNames(), ElementsAre("identity"));
}

TEST_F(ActiveSettingTest, RollsBackToTheSettingBeforeAndAgainBack) {
  ASSERT_TRUE(Activate("a").ok());
  ASSERT_TRUE(Activate("b").ok());
  const ActiveSetting back = store_->RollBack(kModel, 2).value();
  EXPECT_EQ(back.setting.order_name, "a");
  EXPECT_EQ(back.revision, 3);
  EXPECT_THAT(HistoryNames(), ElementsAre("b", "a", "identity"));
  EXPECT_EQ(store_->RollBack(kModel, std::nullopt)->setting.order_name, "b");
}

TEST_F(ActiveSettingTest, RollsTheFirstActivationBackToIdentity) {
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->RollBack(kModel, std::nullopt).status()));
  ASSERT_TRUE(Activate("a").ok());
  EXPECT_EQ(store_->RollBack(kModel, std::nullopt)->setting, ScanSetting());
}

TEST_F(ActiveSettingTest, DoesNotRollBackToAnOrderThatWasDeleted) {
  ASSERT_TRUE(Activate("a").ok());
  ASSERT_TRUE(Activate("b").ok());
  ASSERT_TRUE(store_->Delete("a", 0).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->RollBack(kModel, std::nullopt).status()));
  ASSERT_TRUE(Put("a", {0, 1, 2}).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->RollBack(kModel, std::nullopt).status()))
      << "the name and version are there again, with other content";
  EXPECT_EQ(ActiveName(), "b");
}

TEST_F(ActiveSettingTest, IsKeptForEachModelByItself) {
  ASSERT_TRUE(Activate("a").ok());
  EXPECT_EQ(store_->GetActive(kOtherModel)->setting, ScanSetting());
  ScanSettingRequest request;
  request.order.name = "b";
  EXPECT_EQ(store_->SetActive(kOtherModel, request, 0)->revision, 2);
  EXPECT_EQ(ActiveName(), "a");
  EXPECT_EQ(store_->GetActive(kModel)->revision, 1);
  EXPECT_EQ(store_->revision(), 2);
}

TEST_F(ActiveSettingTest, RefusesAModelDigestThatIsNone) {
  for (const char* digest : {"", "../../etc/passwd", "AAAA"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(store_->GetActive(digest).status()));
    EXPECT_TRUE(absl::IsInvalidArgument(store_->History(digest).status()));
    EXPECT_TRUE(absl::IsInvalidArgument(store_->RollBack(digest, std::nullopt).status()));
    EXPECT_TRUE(absl::IsInvalidArgument(store_->SetActive(digest, {}, std::nullopt).status()));
  }
}

TEST_F(ActiveSettingTest, IsServedAfterARestartWithItsHistory) {
  ScanSettingRequest request;
  request.order.name = "a";
  request.target_layers = {0, 7};
  request.readout = order::Readout::kPinLast;
  ASSERT_TRUE(store_->SetActive(kModel, request, std::nullopt).ok());
  ASSERT_TRUE(Activate("b").ok());
  const ActiveSetting active = store_->GetActive(kModel).value();
  const std::vector<ActiveSetting> history = store_->History(kModel).value();
  Reopen();
  EXPECT_EQ(store_->GetActive(kModel).value(), active);
  EXPECT_EQ(store_->History(kModel).value(), history);
  EXPECT_EQ(store_->revision(), 2);
  const ActiveSetting back = store_->RollBack(kModel, std::nullopt).value();
  EXPECT_EQ(back.revision, 3);
  EXPECT_THAT(back.setting.target_layers, ElementsAre(0, 7));
  EXPECT_EQ(back.setting.readout, order::Readout::kPinLast);
}

TEST_F(ActiveSettingTest, KeepsTheLastHundredSettingsBeforeThePresentOne) {
  for (int i = 0; i < 52; ++i) {
    ASSERT_TRUE(Activate("a").ok());
    ASSERT_TRUE(Activate("b").ok());
  }
  const std::vector<ActiveSetting> history = store_->History(kModel).value();
  ASSERT_EQ(history.size(), 100u);
  EXPECT_EQ(history.front().revision, 103);
  EXPECT_EQ(history.back().revision, 4);
  Reopen();
  EXPECT_EQ(store_->History(kModel).value(), history);
}

}  // namespace
}  // namespace scanserve::store
