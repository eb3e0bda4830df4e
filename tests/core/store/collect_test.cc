// What a collection of old versions removes and what it keeps.
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/core/store/full_disk.h"
#include "tests/core/store/store_test_base.h"

namespace scanserve::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class CollectTest : public StoreTestBase {
 protected:
  // Versions 1.. of `name`, each an order of its own.
  void PutVersions(const std::string& name, int count) {
    for (int i = 0; i < count; ++i) PutNext(name, i);
  }
  void PutNext(const std::string& name, int number) {
    std::vector<int64_t> pi;
    for (int64_t k = 0; k < 20; ++k) pi.push_back((k + number) % 20);
    ASSERT_TRUE(Put(name, pi).ok());
  }

  static CollectRule Keep(int64_t versions, const std::string& name = "", bool dry_run = false) {
    return {versions, name, dry_run};
  }

  static std::string FateText(OrderFate fate) {
    switch (fate) {
      case OrderFate::kRemoved:
        return "removed";
      case OrderFate::kKeptNewest:
        return "newest";
      case OrderFate::kKeptInUse:
        return "in use";
      case OrderFate::kKeptRollback:
        return "rollback";
      case OrderFate::kKeptActive:
        return "active";
      case OrderFate::kKeptDamaged:
        return "damaged";
    }
    return "";
  }

  // "a@1 removed", ..
  std::vector<std::string> Collect(const CollectRule& rule) {
    std::vector<std::string> fates;
    const auto collected = store_->Collect(rule);
    EXPECT_TRUE(collected.ok()) << collected.status();
    if (!collected.ok()) return fates;
    for (const CollectedOrder& each : *collected) {
      fates.push_back(
          absl::StrCat(each.record.name, "@", each.record.version, " ", FateText(each.fate)));
      EXPECT_GT(each.bytes, each.fate == OrderFate::kKeptDamaged ? -1 : 0);
    }
    return fates;
  }

  std::vector<std::string> Listed() const {
    std::vector<std::string> names;
    for (const OrderRecord& record : store_->List()) {
      names.push_back(absl::StrCat(record.name, "@", record.version));
    }
    return names;
  }
};

TEST_F(CollectTest, KeepsTheNewestVersionsOfEachName) {
  PutVersions("a", 4);
  PutVersions("b", 1);
  PutVersions("c", 2);
  EXPECT_THAT(Collect(Keep(2)),
              ElementsAre("a@1 removed", "a@2 removed", "a@3 newest", "a@4 newest", "b@1 newest",
                          "c@1 newest", "c@2 newest"));
  EXPECT_THAT(Listed(), ElementsAre("identity@0", "a@3", "a@4", "b@1", "c@1", "c@2"));
  EXPECT_FALSE(Exists("orders/a/1.npy"));
  EXPECT_FALSE(Exists("orders/a/1.inv.npy"));
  Reopen();
  EXPECT_THAT(Listed(), ElementsAre("identity@0", "a@3", "a@4", "b@1", "c@1", "c@2"));
  EXPECT_THAT(store_->warnings(), IsEmpty());
  EXPECT_THAT(Collect(Keep(2)),
              ElementsAre("a@3 newest", "a@4 newest", "b@1 newest", "c@1 newest", "c@2 newest"));
  PutNext("a", 7);
  EXPECT_EQ(Listed()[3], "a@5") << "numbers are not given again";
}

TEST_F(CollectTest, ADryRunSaysTheSameAndRemovesNothing) {
  PutVersions("a", 3);
  const std::vector<std::string> before = Listed();
  const std::vector<std::string> said = Collect(Keep(1, "", /*dry_run=*/true));
  EXPECT_EQ(Listed(), before);
  EXPECT_TRUE(Exists("orders/a/1.npy"));
  EXPECT_EQ(Collect(Keep(1)), said);
}

TEST_F(CollectTest, LooksAtOneNameWhenItIsNamed) {
  PutVersions("a", 2);
  PutVersions("b", 2);
  EXPECT_THAT(Collect(Keep(1, "b")), ElementsAre("b@1 removed", "b@2 newest"));
  EXPECT_THAT(Listed(), ElementsAre("identity@0", "a@1", "a@2", "b@2"));
}

TEST_F(CollectTest, RefusesToKeepNothingAndNamesThatAreNot) {
  PutVersions("a", 2);
  EXPECT_TRUE(absl::IsInvalidArgument(store_->Collect(Keep(0)).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(store_->Collect(Keep(1, "../a")).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(store_->Collect(Keep(1, "identity")).status()));
  EXPECT_THAT(store_->Collect(Keep(1, "b")).status().message(), HasSubstr("no order \"b\""));
}

TEST_F(CollectTest, KeepsWhatIsActiveAndWhatARollbackLeadsToForAnyModel) {
  PutVersions("a", 6);
  ASSERT_TRUE(Activate("a", 1).ok());
  ASSERT_TRUE(Activate("a", 2).ok());
  ASSERT_TRUE(Activate("a", 3).ok());
  ScanSettingRequest request;
  request.order = {"a", 4, ""};
  ASSERT_TRUE(store_->SetActive(kOtherModel, request, std::nullopt).ok());
  EXPECT_THAT(Collect(Keep(1)), ElementsAre("a@1 removed", "a@2 rollback", "a@3 active",
                                            "a@4 active", "a@5 removed", "a@6 newest"));
  Reopen();
  EXPECT_EQ(store_->RollBack(kModel, std::nullopt)->setting.order_version, 2);
  EXPECT_EQ(store_->RollBack(kModel, std::nullopt)->setting.order_version, 3);
  EXPECT_TRUE(store_->Load({"a", 4, ""}).ok());
}

TEST_F(CollectTest, KeepsWhatIsHeldForAsLongAsItIs) {
  PutVersions("a", 3);
  std::optional<LoadedOrder> held = store_->Load({"a", 1, ""}).value();
  EXPECT_THAT(Collect(Keep(1)), ElementsAre("a@1 in use", "a@2 removed", "a@3 newest"));
  EXPECT_EQ(store_->Load({"a", 1, ""})->order, held->order);
  held.reset();
  EXPECT_THAT(Collect(Keep(1)), ElementsAre("a@1 removed", "a@3 newest"));
}

TEST_F(CollectTest, LeavesDamagedVersionsAndCountsNone) {
  PutVersions("a", 3);
  WriteFile("orders/a/3.json", "{}");
  Reopen();
  EXPECT_THAT(Collect(Keep(1)), ElementsAre("a@1 removed", "a@2 newest", "a@3 damaged"));
  EXPECT_TRUE(Exists("orders/a/3.npy"));
}

TEST_F(CollectTest, ADiskThatRefusesKeepsTheVersion) {
  PutVersions("a", 2);
  {
    const FullDisk full(10);
    EXPECT_TRUE(absl::IsUnavailable(store_->Collect(Keep(1)).status()));
  }
  EXPECT_TRUE(store_->Load({"a", 1, ""}).ok());
  EXPECT_THAT(Collect(Keep(1)), ElementsAre("a@1 removed", "a@2 newest"));
}

TEST_F(CollectTest, ADeletionThatIsUndoneForgetsNobodyWhoCameMeanwhile) {
  OrderTable table;
  const auto order = order::ScanOrder::FromEntries(std::vector<int64_t>{1, 0}).value();
  OrderRecord first;
  first.name = "a";
  first.version = 1;
  first.digest = order->digest();
  OrderRecord second = first;
  second.version = 2;
  table.Add(first, 1);
  table.Add(second, 1);
  const auto unused = [](const OrderRecord&) { return absl::OkStatus(); };
  OrderTable::Removal removal = table.Take("a", 1, unused).value();
  const auto held = table.Share(second, order).value();
  table.PutBack("a", std::move(removal));
  EXPECT_TRUE(table.Find({"a", 1, ""}).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(table.Take("a", 2, unused).status()));
  EXPECT_TRUE(table.Take("a", 1, unused).ok());
}

// While versions come, are switched to and are held, a collection runs all the time.
TEST_F(CollectTest, NeverRemovesWhatIsHeldOrActive) {
  PutVersions("a", 2);
  ASSERT_TRUE(Activate("a", 1).ok());
  std::atomic<bool> stop = false;
  std::atomic<int64_t> removed = 0;
  std::thread collector([&] {
    while (!stop) {
      const auto collected = store_->Collect(Keep(1));
      ASSERT_TRUE(collected.ok()) << collected.status();
      for (const CollectedOrder& each : *collected) removed += each.fate == OrderFate::kRemoved;
    }
  });
  std::vector<std::thread> holders;
  for (int i = 0; i < 2; ++i) {
    holders.emplace_back([&] {
      while (!stop) {
        for (const OrderRecord& record : store_->List()) {
          const auto held = store_->Load({record.name, record.version, record.digest});
          if (!held.ok()) {
            // Removed between the two calls.
            EXPECT_TRUE(absl::IsNotFound(held.status())) << held.status();
            continue;
          }
          const auto again = store_->Load({record.name, record.version, record.digest});
          ASSERT_TRUE(again.ok()) << "held, and yet removed: " << again.status();
          EXPECT_EQ(again->order, held->order);
        }
      }
    });
  }
  for (int i = 2; i < 40; ++i) {
    PutNext("a", i % 19);
    const auto newest = store_->Get({"a", 0, ""});
    ASSERT_TRUE(newest.ok());
    ASSERT_TRUE(Activate("a", newest->version).ok());
    const ActiveSetting active = store_->GetActive(kModel).value();
    EXPECT_TRUE(store_->Load(active.setting.order_ref()).ok());
    if (i % 3 != 0) continue;
    EXPECT_TRUE(store_->RollBack(kModel, std::nullopt).ok());
  }
  stop = true;
  collector.join();
  for (std::thread& holder : holders) holder.join();
  EXPECT_GT(removed, 0);
  Reopen();
  EXPECT_THAT(store_->warnings(), IsEmpty());
  EXPECT_TRUE(store_->Load(store_->GetActive(kModel)->setting.order_ref()).ok());
}

}  // namespace
}  // namespace scanserve::store
