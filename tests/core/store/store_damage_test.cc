// What crashes leave and what damage does, found when the store opens.
#include "core/store/sealed_json.h"
#include "tests/core/store/store_test_base.h"

namespace scanserve::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class StoreDamageTest : public StoreTestBase {
 protected:
  void SetUp() override {
    StoreTestBase::SetUp();
    ASSERT_TRUE(Put("a", {1, 0}).ok());
    ASSERT_TRUE(Put("a", {2, 1, 0}).ok());
    ASSERT_TRUE(Put("b", {0, 1}).ok());
  }

  void ExpectSecondVersionDamaged() {
    Reopen();
    EXPECT_THAT(store_->warnings(),
                ElementsAre(HasSubstr("order a version 2 is damaged and not served")));
    EXPECT_TRUE(absl::IsFailedPrecondition(store_->Get({"a", 2, ""}).status()));
    EXPECT_TRUE(absl::IsFailedPrecondition(store_->Load({"a", 0, ""}).status()))
        << "the newest version is damaged; an older one must not take its place";
    EXPECT_TRUE(store_->Load({"a", 1, ""}).ok());
    EXPECT_TRUE(store_->Load({"b", 0, ""}).ok());
    EXPECT_THAT(store_->List(), SizeIs(3));
  }
};

TEST_F(StoreDamageTest, RefusesASecondOpener) {
  const absl::Status second = DirectoryStore::Open(options()).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(second));
  EXPECT_THAT(second.message(), HasSubstr("in use by another server"));
  Reopen();
}

TEST_F(StoreDamageTest, RemovesWhatAnInterruptedUploadLeft) {
  WriteFile("orders/a/3.npy", "half");
  WriteFile("orders/a/3.inv.npy", "half");
  WriteFile("orders/a/4.npy.tmp~", "half");
  WriteFile("orders/c/1.npy.tmp~", "half");
  WriteFile("orders/d/1.npy", Npy({1, 0}));
  WriteFile("active/" + kModel + ".json.tmp~", "half");
  Reopen();
  EXPECT_THAT(store_->warnings(), IsEmpty());
  for (const char* gone :
       {"orders/a/3.npy", "orders/a/3.inv.npy", "orders/a/4.npy.tmp~", "orders/c", "orders/d"}) {
    EXPECT_FALSE(Exists(gone)) << gone;
  }
  EXPECT_FALSE(Exists("active/" + kModel + ".json.tmp~"));
  EXPECT_THAT(store_->List(), SizeIs(4));
  EXPECT_EQ(Put("a", {0, 1})->record.version, 3);
}

TEST_F(StoreDamageTest, FinishesADeletionThatWasInterrupted) {
  const std::string npy = FileContent("orders/a/2.npy");
  ASSERT_TRUE(store_->Delete("a", 2).ok());
  WriteFile("orders/a/2.npy", npy);
  WriteFile("orders/.removed~b/1.npy", npy);
  Reopen();
  EXPECT_FALSE(Exists("orders/a/2.npy"));
  EXPECT_FALSE(Exists("orders/.removed~b"));
  EXPECT_TRUE(absl::IsNotFound(store_->Get({"a", 2, ""}).status()));
  EXPECT_THAT(store_->warnings(), IsEmpty());
}

TEST_F(StoreDamageTest, ServesNoVersionWhoseFilesWereCutShort) {
  for (const char* file : {"orders/a/2.npy", "orders/a/2.json"}) {
    const std::string whole = FileContent(file);
    for (const size_t size :
         {size_t{0}, size_t{1}, size_t{9}, whole.size() / 2, whole.size() - 3}) {
      WriteFile(file, whole.substr(0, size));
      ExpectSecondVersionDamaged();
      EXPECT_TRUE(Exists("orders/a/2.npy")) << "damaged files are kept for the operator";
    }
    WriteFile(file, whole);
  }
  Reopen();
  EXPECT_TRUE(store_->Get({"a", 2, ""}).ok());
}

TEST_F(StoreDamageTest, ServesNoVersionWithOtherContentThanItsDigest) {
  WriteFile("orders/a/2.npy", Npy({0, 2, 1}));
  ExpectSecondVersionDamaged();
}

TEST_F(StoreDamageTest, ServesNoVersionOfWhichAnyByteWasAltered) {
  for (const char* file : {"orders/a/2.npy", "orders/a/2.json"}) {
    const std::string whole = FileContent(file);
    for (size_t at = 0; at < whole.size(); at += 7) {
      SCOPED_TRACE(testing::Message() << file << " byte " << at);
      std::string altered = whole;
      altered[at] = static_cast<char>(altered[at] ^ 0x01);
      WriteFile(file, altered);
      ExpectSecondVersionDamaged();
    }
    WriteFile(file, whole);
  }
  Reopen();
  EXPECT_TRUE(store_->Load({"a", 2, ""}).ok());
}

TEST_F(StoreDamageTest, ServesNoVersionWhoseFileHoldsTheSameOrderInOtherBytes) {
  WriteFile("orders/a/2.npy",
            base::FormatNpyHeader("|u1", "(3,)") + std::string("\x02\x01\x00", 3));
  ExpectSecondVersionDamaged();
}

TEST_F(StoreDamageTest, ReadsOrdersThatAnEarlierReleaseStored) {
  const std::string digest = store_->Get({"a", 2, ""})->digest;
  WriteFile("orders/a/2.json", R"({"format": 1, "name": "a", "version": 2, "length": 3,
      "created": "2026-01-02T03:04:05+00:00", "digest": ")" +
                                   digest + "\"}");
  Reopen();
  EXPECT_THAT(store_->warnings(), IsEmpty());
  EXPECT_TRUE(store_->Load({"a", 2, ""}).ok());
}

TEST_F(StoreDamageTest, ServesNoVersionWithoutItsFile) {
  std::filesystem::remove(Path("orders/a/2.npy"));
  ExpectSecondVersionDamaged();
}

TEST_F(StoreDamageTest, ServesNoVersionWithTheSidecarOfAnother) {
  WriteFile("orders/a/2.json", FileContent("orders/b/1.json"));
  ExpectSecondVersionDamaged();
}

TEST_F(StoreDamageTest, ADamagedVersionCanBeReplacedAndDeleted) {
  WriteFile("orders/a/2.json", "{}");
  ExpectSecondVersionDamaged();
  EXPECT_EQ(Put("a", {2, 1, 0})->record.version, 3);
  EXPECT_EQ(store_->Get({"a", 0, ""})->version, 3);
  EXPECT_EQ(store_->Delete("a", 2).value(), 1);
  Reopen();
  EXPECT_THAT(store_->warnings(), IsEmpty());
}

TEST_F(StoreDamageTest, WritesAMissingInverseAnew) {
  const std::string inverse = FileContent("orders/a/2.inv.npy");
  std::filesystem::remove(Path("orders/a/2.inv.npy"));
  WriteFile("orders/b/1.inv.npy", "wrong");
  Reopen();
  EXPECT_THAT(store_->warnings(), ElementsAre(HasSubstr("written anew"), HasSubstr("anew")));
  EXPECT_EQ(FileContent("orders/a/2.inv.npy"), inverse);
  EXPECT_TRUE(store_->Load({"a", 2, ""}).ok());
}

TEST_F(StoreDamageTest, ChecksTheDigestAgainWhenItLoads) {
  WriteFile("orders/a/2.npy", Npy({0, 2, 1}));
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Load({"a", 2, ""}).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->ReadNpy({"a", 2, ""}).status()));
}

TEST_F(StoreDamageTest, DoesNotOpenWithADamagedActiveSettingAndNamesItsFile) {
  ASSERT_TRUE(Activate("a").ok());
  const std::string file = "active/" + kModel + ".json";
  const std::string whole = FileContent(file);
  store_.reset();
  for (const std::string& content :
       {std::string(), std::string("{"), std::string("[]"), whole.substr(0, whole.size() - 3)}) {
    WriteFile(file, content);
    const absl::Status status = DirectoryStore::Open(options()).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(status.message(), HasSubstr(file));
  }
  WriteFile("active/" + kOtherModel + ".json", whole);
  WriteFile(file, whole);
  EXPECT_THAT(DirectoryStore::Open(options()).status().message(), HasSubstr("model_digest"));
  std::filesystem::remove(Path("active/" + kOtherModel + ".json"));
  Reopen();
  EXPECT_EQ(ActiveName(), "a");
}

TEST_F(StoreDamageTest, RefusesActiveSettingsWithFieldsOutOfRange) {
  ASSERT_TRUE(Activate("a").ok());
  const std::string file = "active/" + kModel + ".json";
  const std::string whole = FileContent(file);
  store_.reset();
  const std::pair<std::string, std::string> changes[] = {
      {"\"target_layers\": []", "\"target_layers\": [4096]"},
      {"\"target_layers\": []", "\"target_layers\": [-1]"},
      {"\"natural_last\"", "\"other\""},
      {"\"revision\": 1", "\"revision\": 0"},
  };
  for (const auto& [from, to] : changes) {
    std::string changed = whole;
    const size_t at = changed.rfind(from);
    ASSERT_NE(at, std::string::npos) << from;
    changed.replace(at, from.size(), to);
    // Not by the checksum alone.
    WriteFile(file, SealedText(nlohmann::json::parse(changed)));
    const absl::Status status = DirectoryStore::Open(options()).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << to;
    EXPECT_THAT(status.message(), Not(HasSubstr("checksum")));
    WriteFile(file, changed);
    EXPECT_THAT(DirectoryStore::Open(options()).status().message(), HasSubstr("checksum"));
  }
  WriteFile(file, whole);
  Reopen();
}

TEST_F(StoreDamageTest, WarnsOfAnActiveOrderThatIsDamagedAndNeverServesAnother) {
  ASSERT_TRUE(Activate("a", 2).ok());
  WriteFile("orders/a/2.npy", "x");
  Reopen();
  EXPECT_THAT(store_->warnings(),
              testing::Contains(HasSubstr("active setting of model aaaaaaaaaaaa")));
  const ActiveSetting active = store_->GetActive(kModel).value();
  EXPECT_EQ(active.setting.order_name, "a");
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Load(active.setting.order_ref()).status()));
}

TEST_F(StoreDamageTest, LeavesStrangeFilesAloneAndTellsOfThem) {
  WriteFile("orders/notes.txt", "mine");
  WriteFile("orders/a/notes.txt", "mine");
  WriteFile("orders/empty/notes.txt", "mine");
  WriteFile("active/notes.txt", "mine");
  Reopen();
  EXPECT_THAT(store_->warnings(), SizeIs(3));
  for (const char* file :
       {"orders/notes.txt", "orders/a/notes.txt", "orders/empty/notes.txt", "active/notes.txt"}) {
    EXPECT_EQ(FileContent(file), "mine") << file;
  }
}

TEST_F(StoreDamageTest, SaysThatItsFolderCannotBeMade) {
  StoreOptions nowhere;
  nowhere.folder = Path("none/store");
  EXPECT_TRUE(absl::IsUnavailable(DirectoryStore::Open(nowhere).status()));
  WriteFile("file", "");
  nowhere.folder = Path("file");
  EXPECT_TRUE(absl::IsUnavailable(DirectoryStore::Open(nowhere).status()));
}

}  // namespace
}  // namespace scanserve::store
