// Orders in the store: putting, finding, loading, deleting, and what a restart keeps.
#include "core/store/directory_store.h"

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/core/store/store_test_base.h"

namespace scanserve::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class DirectoryStoreTest : public StoreTestBase {
 protected:
  std::vector<std::string> Listed() const {
    std::vector<std::string> names;
    for (const OrderRecord& record : store_->List()) {
      names.push_back(absl::StrCat(record.name, "@", record.version));
    }
    return names;
  }
};

order::Provenance ExampleProvenance() {
  order::Provenance provenance;
  provenance.model_digest = std::string(64, 'a');
  provenance.layer = 3;
  provenance.rows = 600;
  provenance.rows_used = 512;
  provenance.method = "nearest-neighbour";
  provenance.natural_length = 10.5;
  provenance.tour_length = 7.25;
  provenance.created = absl::FromUnixNanos(1'700'000'000'123'456'789);
  return provenance;
}

TEST_F(DirectoryStoreTest, GivesOtherContentTheNextVersionAndEqualContentItsOwn) {
  EXPECT_EQ(Put("a", {1, 0})->record.version, 1);
  EXPECT_EQ(Put("a", {0, 1})->record.version, 2);
  const auto again = Put("a", {1, 0}).value();
  EXPECT_EQ(again.record.version, 1);
  EXPECT_FALSE(again.created);
  EXPECT_THAT(Listed(), ElementsAre("identity@0", "a@1", "a@2"));
}

TEST_F(DirectoryStoreTest, TakesEqualContentOfAnotherIntegerTypeForEqual) {
  ASSERT_TRUE(Put("a", {1, 0}).ok());
  const std::string narrow = base::FormatNpyHeader("|u1", "(2,)") + std::string("\x01\x00", 2);
  EXPECT_FALSE(store_->Put("a", narrow, std::nullopt, false)->created);
}

TEST_F(DirectoryStoreTest, RefusesOtherContentUnderANameThatMustBeNew) {
  EXPECT_TRUE(Put("a", {1, 0}, true)->created);
  EXPECT_FALSE(Put("a", {1, 0}, true)->created);
  EXPECT_TRUE(absl::IsAlreadyExists(Put("a", {0, 1}, true).status()));
}

TEST_F(DirectoryStoreTest, FindsByNameByVersionAndByDigest) {
  const std::string first = Put("a", {1, 0})->record.digest;
  const std::string second = Put("a", {0, 2, 1})->record.digest;
  EXPECT_EQ(store_->Get({"a", 0, ""})->version, 2);
  EXPECT_EQ(store_->Get({"a", 1, ""})->digest, first);
  EXPECT_EQ(store_->Get({"", 0, second})->version, 2);
  EXPECT_EQ(store_->Get({"a", 2, second})->length, 3);
}

TEST_F(DirectoryStoreTest, SaysWhyItFindsNothing) {
  const std::string digest = Put("a", {1, 0})->record.digest;
  EXPECT_TRUE(absl::IsInvalidArgument(store_->Get({"", 0, ""}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(store_->Get({"", 0, digest.substr(1)}).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->Get({"", 0, std::string(64, '0')}).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->Get({"b", 0, ""}).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->Get({"a", 2, ""}).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->Get({"a", -1, ""}).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Get({"a", 1, std::string(64, '0')}).status()));
  EXPECT_THAT(store_->Get({"evil\n\xff", 0, ""}).status().message(), Not(HasSubstr("\n")));
}

TEST_F(DirectoryStoreTest, AlwaysHasIdentity) {
  const LoadedOrder identity = store_->Load({"identity", 0, ""}).value();
  EXPECT_EQ(identity.order, nullptr);
  EXPECT_EQ(identity.record.digest, "");
  EXPECT_TRUE(identity.record.is_identity());
  EXPECT_TRUE(absl::IsInvalidArgument(Put("identity", {0, 1}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(store_->Delete("identity", 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(store_->ReadNpy({"identity", 0, ""}).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->Get({"identity", 1, ""}).status()));
}

TEST_F(DirectoryStoreTest, RefusesNamesThatAreNoNames) {
  for (const std::string& name : {std::string(), std::string(".hidden"), std::string("a/b"),
                                  std::string(".."), std::string("a b"), std::string("a\0b", 3),
                                  std::string("\xc3\xa4"), std::string(65, 'x')}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Put(name, {1, 0}).status())) << name;
  }
  EXPECT_TRUE(Put(std::string(64, 'x'), {1, 0}).ok());
  EXPECT_TRUE(Put("A-z_0.9", {1, 0}).ok());
}

TEST_F(DirectoryStoreTest, KeepsEverythingOverARestart) {
  const order::Provenance provenance = ExampleProvenance();
  ASSERT_TRUE(store_->Put("a", Npy({1, 0, 2}), provenance, false).ok());
  ASSERT_TRUE(Put("b", {0, 1}).ok());
  const std::vector<OrderRecord> before = store_->List();
  Reopen();
  EXPECT_EQ(store_->List(), before);
  EXPECT_EQ(store_->Get({"a", 1, ""})->provenance, provenance);
  EXPECT_EQ(store_->Get({"b", 1, ""})->provenance, std::nullopt);
  EXPECT_THAT(store_->warnings(), IsEmpty());
  EXPECT_THAT(store_->Load({"a", 1, ""})->order->pi(), ElementsAre(1, 0, 2));
}

TEST_F(DirectoryStoreTest, KeepsTheFileAsUploadedAndTheInverseBesideIt) {
  const std::string uploaded =
      base::FormatNpyHeader("|u1", "(3,)") + "\x02" + std::string(1, 0) + "\x01";
  ASSERT_TRUE(store_->Put("a", uploaded, std::nullopt, false).ok());
  EXPECT_EQ(store_->ReadNpy({"a", 0, ""}).value(), uploaded);
  EXPECT_EQ(FileContent("orders/a/1.npy"), uploaded);
  EXPECT_EQ(FileContent("orders/a/1.inv.npy"), Npy({1, 2, 0}));
}

TEST_F(DirectoryStoreTest, SharesOneOrderAmongAllThatHoldIt) {
  ASSERT_TRUE(Put("a", {1, 0}).ok());
  const LoadedOrder first = store_->Load({"a", 0, ""}).value();
  EXPECT_EQ(store_->Load({"a", 1, ""})->order, first.order);
}

TEST_F(DirectoryStoreTest, DeletesAVersionAndDoesNotGiveItsNumberAgain) {
  ASSERT_TRUE(Put("a", {1, 0}).ok());
  ASSERT_TRUE(Put("a", {0, 1}).ok());
  EXPECT_EQ(store_->Delete("a", 2).value(), 1);
  EXPECT_TRUE(absl::IsNotFound(store_->Delete("a", 2).status()));
  EXPECT_EQ(store_->Get({"a", 0, ""})->version, 1);
  Reopen();
  EXPECT_THAT(Listed(), ElementsAre("identity@0", "a@1"));
  EXPECT_EQ(Put("a", {0, 1})->record.version, 3);
}

TEST_F(DirectoryStoreTest, DeletesANameWithAllItsVersions) {
  ASSERT_TRUE(Put("a", {1, 0}).ok());
  ASSERT_TRUE(Put("a", {0, 1}).ok());
  ASSERT_TRUE(Put("b", {0, 1}).ok());
  EXPECT_EQ(store_->Delete("a", 0).value(), 2);
  EXPECT_FALSE(Exists("orders/a"));
  EXPECT_THAT(Listed(), ElementsAre("identity@0", "b@1"));
  EXPECT_TRUE(absl::IsNotFound(store_->Delete("a", 0).status()));
  EXPECT_EQ(store_->Delete("b", 1).value(), 1);
  EXPECT_FALSE(Exists("orders/b"));
  Reopen();
  EXPECT_THAT(Listed(), ElementsAre("identity@0"));
}

TEST_F(DirectoryStoreTest, DoesNotDeleteWhatARequestHolds) {
  ASSERT_TRUE(Put("a", {1, 0}).ok());
  ASSERT_TRUE(Put("a", {0, 1}).ok());
  std::optional<LoadedOrder> held = store_->Load({"a", 1, ""}).value();
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Delete("a", 1).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Delete("a", 0).status()));
  EXPECT_THAT(Listed(), ElementsAre("identity@0", "a@1", "a@2"));
  EXPECT_EQ(store_->Delete("a", 2).value(), 1);
  held.reset();
  EXPECT_EQ(store_->Delete("a", 1).value(), 1);
}

TEST_F(DirectoryStoreTest, DoesNotDeleteWhatIsActiveForAnyModel) {
  ASSERT_TRUE(Put("a", {1, 0}).ok());
  ASSERT_TRUE(Put("a", {0, 1}).ok());
  ScanSettingRequest request;
  request.order = {"a", 1, ""};
  ASSERT_TRUE(store_->SetActive(kOtherModel, request, std::nullopt).ok());
  EXPECT_THAT(store_->Delete("a", 1).status().message(),
              HasSubstr("is active for model bbbbbbbbbbbb"));
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Delete("a", 0).status()));
  EXPECT_TRUE(store_->Delete("a", 2).ok());
  ASSERT_TRUE(store_->RollBack(kOtherModel, std::nullopt).ok());
  EXPECT_TRUE(store_->Delete("a", 1).ok());
}

TEST_F(DirectoryStoreTest, HoldsAtMostTheOrdersThatItMay) {
  StoreOptions limited = options();
  limited.max_orders = 2;
  store_.reset();
  store_ = DirectoryStore::Open(limited).value();
  ASSERT_TRUE(Put("a", {1, 0}).ok());
  ASSERT_TRUE(Put("a", {0, 1}).ok());
  EXPECT_THAT(Put("b", {0, 1}).status().message(), HasSubstr("2 orders, the limit is 2"));
  EXPECT_TRUE(Put("a", {1, 0}).ok()) << "equal content takes no room";
  ASSERT_TRUE(store_->Delete("a", 1).ok());
  EXPECT_TRUE(Put("b", {0, 1}).ok());
}

TEST_F(DirectoryStoreTest, HoldsAtMostTheBytesThatItMay) {
  StoreOptions limited = options();
  limited.max_bytes = 16'600;  // one sidecar is counted as 16 KiB until it is written
  store_.reset();
  store_ = DirectoryStore::Open(limited).value();
  EXPECT_TRUE(Put("a", {1, 0}).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(Put("b", {0, 1}).status()));
}

TEST_F(DirectoryStoreTest, ServesReadersWhileItIsChanged) {
  ASSERT_TRUE(Put("steady", {1, 0}).ok());
  std::atomic<bool> stop = false;
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        EXPECT_THAT(store_->Load({"steady", 0, ""})->order->pi(), ElementsAre(1, 0));
        const auto changing = store_->Load({"changing", 0, ""});
        EXPECT_TRUE(changing.ok() || absl::IsNotFound(changing.status()) ||
                    absl::IsFailedPrecondition(changing.status()))
            << changing.status();
        EXPECT_TRUE(store_->GetActive(kModel).ok());
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(Put("changing", {i % 2, 1 - i % 2}).ok());
    EXPECT_TRUE(Activate(i % 2 == 0 ? "steady" : "identity").ok());
    const absl::Status deleted = store_->Delete("changing", 0).status();
    EXPECT_TRUE(deleted.ok() || absl::IsFailedPrecondition(deleted)) << deleted;
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace scanserve::store
