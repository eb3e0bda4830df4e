// The adapters of a store: versions, limits, crashes, damage and a disk that is full.
#include "core/store/adapter_collection.h"

#include "core/base/sha256.h"
#include "tests/core/store/full_disk.h"
#include "tests/core/store/store_test_base.h"

namespace scanserve::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// The store does not look into files: any text does.
class AdapterCollectionTest : public StoreTestBase {
 protected:
  using PutResult = AdapterCollection::PutResult;

  AdapterCollection& adapters() { return store_->adapters(); }

  static AdapterRecord Draft(const std::string& name, const std::string& content) {
    AdapterRecord draft;
    draft.name = name;
    draft.digest = base::Sha256Hex(content);
    draft.model_digest = kModel;
    return draft;
  }
  absl::StatusOr<PutResult> PutAdapter(const std::string& name, const std::string& content,
                                       bool must_be_new = false) {
    return adapters().Put(Draft(name, content), {"{}", content}, must_be_new);
  }
  std::vector<AdapterRecord> Records() {
    std::vector<AdapterRecord> records;
    for (const StoredAdapter& adapter : adapters().List()) records.push_back(adapter.record);
    return records;
  }
  void ReopenWith(const StoreOptions& options) {
    store_.reset();
    store_ = DirectoryStore::Open(options).value();
  }
};

TEST_F(AdapterCollectionTest, CountsVersionsAndKnowsEqualContent) {
  const PutResult first = PutAdapter("a", "one").value();
  EXPECT_TRUE(first.created);
  EXPECT_EQ(first.record.version, 1);
  EXPECT_EQ(PutAdapter("a", "two")->record.version, 2);
  const PutResult again = PutAdapter("a", "one", /*must_be_new=*/true).value();
  EXPECT_FALSE(again.created);
  EXPECT_EQ(again.record, first.record);
  EXPECT_TRUE(absl::IsAlreadyExists(PutAdapter("a", "three", /*must_be_new=*/true).status()));
  EXPECT_EQ(adapters().Read("a", 2).value(), (std::pair<std::string, std::string>("{}", "two")));
  EXPECT_TRUE(absl::IsNotFound(adapters().Read("a", 3).status()));
  AdapterRecord other_model = Draft("a", "one");
  other_model.model_digest = kOtherModel;
  EXPECT_EQ(adapters().Put(other_model, {"{}", "one"}, false)->record.version, 3);
}

TEST_F(AdapterCollectionTest, KeepsEverythingOverARestart) {
  ASSERT_TRUE(PutAdapter("a", "one").ok() && PutAdapter("a", "two").ok());
  ASSERT_TRUE(PutAdapter("b", "one").ok());
  ASSERT_TRUE(adapters().SetMerged("a", 2, true).ok());
  const std::vector<AdapterRecord> before = Records();
  EXPECT_TRUE(before[1].merged);
  EXPECT_FALSE(before[0].merged || before[2].merged);
  Reopen();
  EXPECT_THAT(store_->warnings(), IsEmpty());
  EXPECT_EQ(Records(), before);
  EXPECT_EQ(adapters().Read("a", 2)->second, "two");
  ASSERT_TRUE(adapters().SetMerged("a", 2, false).ok());
  Reopen();
  EXPECT_FALSE(Records()[1].merged);
}

TEST_F(AdapterCollectionTest, GivesNoNumberTwiceWhileTheNameHasAVersion) {
  for (const char* content : {"one", "two", "three"}) ASSERT_TRUE(PutAdapter("a", content).ok());
  ASSERT_TRUE(adapters().Delete("a", 3, kModel).ok());
  EXPECT_FALSE(Exists("adapters/a/3"));
  EXPECT_TRUE(absl::IsNotFound(adapters().Delete("a", 3, kModel)));
  Reopen();
  EXPECT_EQ(PutAdapter("a", "three")->record.version, 4);
  ASSERT_TRUE(adapters().Delete("a", 0, kModel).ok());
  EXPECT_FALSE(Exists("adapters/a"));
  EXPECT_TRUE(absl::IsNotFound(adapters().Delete("a", 0, kModel)));
  EXPECT_EQ(PutAdapter("a", "one")->record.version, 1);
}

TEST_F(AdapterCollectionTest, LeavesOtherModelsVersionsWhenANameIsDeleted) {
  AdapterRecord other_model = Draft("a", "one");
  other_model.model_digest = kOtherModel;
  ASSERT_TRUE(adapters().Put(other_model, {"{}", "one"}, false).ok());
  ASSERT_TRUE(PutAdapter("a", "two").ok() && PutAdapter("a", "three").ok());
  ASSERT_TRUE(adapters().Delete("a", 0, kModel).ok());
  EXPECT_THAT(Records(), SizeIs(1));
  Reopen();
  EXPECT_THAT(Records(), SizeIs(1));
  EXPECT_EQ(Records()[0].model_digest, kOtherModel);
  EXPECT_TRUE(absl::IsNotFound(adapters().Delete("a", 0, kModel)));
}

TEST_F(AdapterCollectionTest, RefusesBadNamesAndFilesTooLarge) {
  for (const char* name : {"", "..", "a/b", ".a", "a b"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(PutAdapter(name, "one").status())) << name;
  }
  const std::string large(AdapterFolder::kMaxConfigBytes + 1, ' ');
  const absl::Status refused = adapters().Put(Draft("a", "x"), {large, "x"}, false).status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused));
  EXPECT_THAT(refused.message(), HasSubstr("1048577 bytes, at most 1048576"));
}

TEST_F(AdapterCollectionTest, HoldsToTheLimitsOfTheStore) {
  StoreOptions limited = options();
  limited.max_adapters = 2;
  ReopenWith(limited);
  ASSERT_TRUE(PutAdapter("a", "one").ok() && PutAdapter("a", "two").ok());
  EXPECT_THAT(PutAdapter("b", "one").status().message(),
              HasSubstr("holds 2 adapters, the limit is 2"));
  EXPECT_TRUE(PutAdapter("a", "one").ok());
  limited.max_adapters = 100;
  limited.max_bytes = 20'000;
  ReopenWith(limited);
  ASSERT_TRUE(PutAdapter("b", std::string(9'000, 'x')).ok());
  EXPECT_THAT(PutAdapter("c", std::string(9'000, 'y')).status().message(),
              HasSubstr("passes its limit of 20000"));
  const absl::Status order = Put("order", std::vector<int64_t>(1, 0)).status();
  EXPECT_THAT(order.message(), HasSubstr("passes its limit of 20000"))
      << "orders and adapters share the limit";
}

TEST_F(AdapterCollectionTest, CountsTheBytesOfOrdersTowardsTheLimit) {
  std::vector<int64_t> pi(1000);
  for (size_t i = 0; i < pi.size(); ++i) pi[i] = static_cast<int64_t>(i);
  ASSERT_TRUE(Put("order", pi).ok());
  StoreOptions limited = options();
  limited.max_bytes = 18'000;
  ReopenWith(limited);
  EXPECT_THAT(PutAdapter("a", "one").status().message(), HasSubstr("passes its limit of 18000"));
}

TEST_F(AdapterCollectionTest, RemovesWhatInterruptedChangesLeft) {
  ASSERT_TRUE(PutAdapter("a", "one").ok() && PutAdapter("a", "two").ok());
  ASSERT_TRUE(adapters().Delete("a", 2, kModel).ok());
  WriteFile("adapters/a/2/adapter_model.safetensors", "two");
  WriteFile("adapters/a/3/adapter_config.json", "{}");
  WriteFile("adapters/a/3.json.tmp~", "half");
  WriteFile("adapters/b/1/adapter_config.json.tmp~", "half");
  WriteFile("adapters/.removed~c/1/adapter_config.json", "{}");
  Reopen();
  EXPECT_THAT(store_->warnings(), IsEmpty());
  for (const char* gone : {"adapters/a/2", "adapters/a/3", "adapters/a/3.json.tmp~", "adapters/b",
                           "adapters/.removed~c"}) {
    EXPECT_FALSE(Exists(gone)) << gone;
  }
  EXPECT_THAT(Records(), SizeIs(1));
  EXPECT_EQ(PutAdapter("a", "three")->record.version, 3);
}

TEST_F(AdapterCollectionTest, TellsOfDamageAndKeepsTheFiles) {
  ASSERT_TRUE(PutAdapter("a", "one").ok() && PutAdapter("a", "two").ok());
  const std::string sidecar = FileContent("adapters/a/2.json");
  for (const size_t size : {size_t{0}, size_t{1}, sidecar.size() / 2, sidecar.size() - 3}) {
    WriteFile("adapters/a/2.json", sidecar.substr(0, size));
    Reopen();
    EXPECT_THAT(store_->warnings(),
                ElementsAre(HasSubstr("adapter a version 2 is damaged and not served")));
    EXPECT_TRUE(absl::IsFailedPrecondition(adapters().Read("a", 2).status()));
    EXPECT_TRUE(absl::IsFailedPrecondition(adapters().SetMerged("a", 2, true)));
    EXPECT_TRUE(Exists("adapters/a/2/adapter_model.safetensors"));
  }
  WriteFile("adapters/a/2.json", sidecar);
  WriteFile("adapters/a/2/adapter_model.safetensors", "tw");
  Reopen();
  EXPECT_THAT(store_->warnings(), ElementsAre(HasSubstr("has another size")));
  EXPECT_EQ(PutAdapter("a", "three")->record.version, 3);
  EXPECT_TRUE(adapters().Delete("a", 2, kModel).ok()) << "what is damaged can be deleted";
}

TEST_F(AdapterCollectionTest, NoticesFilesThatWereAlteredMeanwhile) {
  ASSERT_TRUE(PutAdapter("a", "one").ok());
  WriteFile("adapters/a/1/adapter_model.safetensors", "eno");
  const absl::Status altered = adapters().Read("a", 1).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(altered));
  EXPECT_THAT(altered.message(), HasSubstr("is gone or was altered"));
  const PutResult again = PutAdapter("a", "one").value();
  EXPECT_TRUE(again.created) << "what is altered is not the content that was put";
  EXPECT_EQ(adapters().Read("a", again.record.version)->second, "one");
}

TEST_F(AdapterCollectionTest, AFullDiskLeavesEverythingAsItWas) {
  ASSERT_TRUE(PutAdapter("a", "one").ok());
  const std::vector<AdapterRecord> before = Records();
  // In turn the config, the tensors and the sidecar are too large.
  for (const rlim_t bytes : {1, 10, 100}) {
    const FullDisk full(bytes);
    EXPECT_TRUE(absl::IsUnavailable(PutAdapter("a", std::string(50, 'x')).status()));
    EXPECT_TRUE(absl::IsUnavailable(PutAdapter("b", std::string(50, 'x')).status()));
    EXPECT_TRUE(absl::IsUnavailable(adapters().SetMerged("a", 1, true)));
  }
  EXPECT_EQ(Records(), before);
  EXPECT_FALSE(Exists("adapters/b"));
  EXPECT_FALSE(Exists("adapters/a/2"));
  Reopen();
  EXPECT_THAT(store_->warnings(), IsEmpty());
  EXPECT_EQ(Records(), before);
}

}  // namespace
}  // namespace scanserve::store
