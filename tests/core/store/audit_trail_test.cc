#include "core/store/audit_trail.h"

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "core/base/file.h"
#include "core/store/audit_line.h"
#include "tests/core/store/full_disk.h"
#include "tests/core/store/store_test_base.h"

namespace scanserve::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr int64_t kKept = 40;  // two in each file

AuditRecord Sample(const std::string& name, int64_t second = 0) {
  AuditRecord record;
  record.time = absl::FromUnixSeconds(1'800'000'000 + second) + absl::Nanoseconds(7);
  record.caller = "token:ann";
  record.peer = "ipv4:10.0.0.7:4711";
  record.method = "SetActiveScan";
  record.name = name;
  record.version = 3;
  record.old_digest = std::string(64, 'a');
  record.new_digest = std::string(64, 'b');
  record.revision = 12;
  record.code = "OK";
  record.message = "quotes \" and\nlines h\u00e9";
  record.request_id = "r-1";
  record.detail = "layers=all";
  return record;
}

class AuditTrailTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = (std::filesystem::temp_directory_path() / "audit_XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
    Reopen();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void Reopen() {
    warnings_.clear();
    trail_ = std::make_unique<AuditTrail>(folder_, kKept);
    const absl::Status opened = trail_->Open(warnings_);
    ASSERT_TRUE(opened.ok()) << opened;
  }

  void AddAndFlush(const std::string& name, int64_t second = 0) {
    trail_->Add(Sample(name, second));
    const absl::Status flushed = trail_->Flush();
    ASSERT_TRUE(flushed.ok()) << flushed;
  }

  // Of one page, newest first.
  std::vector<std::string> Names(const AuditQuery& query = {}) const {
    std::vector<std::string> names;
    for (const AuditRecord& record : trail_->Read(query).value().records) {
      names.push_back(record.name);
    }
    return names;
  }

  std::vector<int64_t> AllNumbers() const {
    std::vector<int64_t> numbers;
    AuditQuery query;
    query.limit = 3;
    do {
      const AuditPage page = trail_->Read(query).value();
      for (const AuditRecord& record : page.records) numbers.push_back(record.number);
      query.before = page.next_before;
    } while (query.before != 0);
    return numbers;
  }

  std::string FirstFile() const { return folder_ + "/1.jsonl"; }
  std::string Content(const std::string& path) const {
    return base::ReadFile(path, 1 << 20).value();
  }
  void Write(const std::string& path, const std::string& content) const {
    std::ofstream(path, std::ios::binary) << content;
  }

  std::string folder_;
  std::unique_ptr<AuditTrail> trail_;
  std::vector<std::string> warnings_;
};

TEST_F(AuditTrailTest, KeepsEachFieldOverARestart) {
  AuditRecord expected = Sample("wiki");
  expected.number = 1;
  AddAndFlush("wiki");
  EXPECT_THAT(trail_->Read({}).value().records, ElementsAre(expected));
  Reopen();
  EXPECT_THAT(trail_->Read({}).value().records, ElementsAre(expected));
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(AuditTrailTest, GoesOnWithTheNumbersAndReadsNewestFirst) {
  for (const char* name : {"a", "b", "c"}) AddAndFlush(name);
  Reopen();
  AddAndFlush("d");
  trail_->Add(Sample("not yet on disk"));
  EXPECT_THAT(Names(), ElementsAre("not yet on disk", "d", "c", "b", "a"));
  EXPECT_THAT(AllNumbers(), ElementsAre(5, 4, 3, 2, 1));
  Reopen();
  EXPECT_THAT(Names(), ElementsAre("d", "c", "b", "a"));
}

TEST_F(AuditTrailTest, ReadsInPagesAndSaysWhetherThereIsMore) {
  for (int i = 0; i < 6; ++i) AddAndFlush(std::to_string(i));
  trail_->Add(Sample("6"));
  trail_->Add(Sample("7"));
  for (const size_t limit : {1, 2, 3, 7, 8, 9}) {
    std::vector<std::string> names;
    AuditQuery query;
    query.limit = limit;
    do {
      const AuditPage page = trail_->Read(query).value();
      EXPECT_LE(page.records.size(), limit);
      for (const AuditRecord& record : page.records) names.push_back(record.name);
      query.before = page.next_before;
    } while (query.before != 0);
    EXPECT_THAT(names, ElementsAre("7", "6", "5", "4", "3", "2", "1", "0")) << limit;
  }
}

TEST_F(AuditTrailTest, ReturnsWhatIsAskedFor) {
  for (int i = 0; i < 6; ++i) AddAndFlush(std::to_string(i), i);
  AuditRecord other = Sample("other", 6);
  other.method = "RollbackActiveScan";
  other.caller = "certificate:bob";
  trail_->Add(other);
  AuditQuery query;
  query.name = "3";
  EXPECT_THAT(Names(query), ElementsAre("3"));
  query = {};
  query.method = "RollbackActiveScan";
  EXPECT_THAT(Names(query), ElementsAre("other"));
  query = {};
  query.caller = "certificate:bob";
  EXPECT_THAT(Names(query), ElementsAre("other"));
  query.method = "SetActiveScan";
  EXPECT_THAT(Names(query), IsEmpty());
  query = {};
  query.since = Sample("", 2).time;
  query.until = Sample("", 4).time;
  EXPECT_THAT(Names(query), ElementsAre("3", "2"));
}

TEST_F(AuditTrailTest, KeepsTheNewestRecordsInABoundedNumberOfFiles) {
  for (int i = 1; i <= 3 * kKept; ++i) AddAndFlush(std::to_string(i));
  const auto files = std::filesystem::directory_iterator(folder_);
  EXPECT_EQ(std::distance(begin(files), end(files)), 21);
  for (int restart = 0; restart < 2; ++restart) {
    const std::vector<int64_t> numbers = AllNumbers();
    EXPECT_EQ(numbers.front(), 3 * kKept);
    EXPECT_GE(numbers.size(), size_t{kKept});
    EXPECT_LE(numbers.size(), size_t{kKept + 2});
    Reopen();
  }
}

TEST_F(AuditTrailTest, SkipsARecordThatACrashTore) {
  AddAndFlush("whole");
  const std::string whole = Content(FirstFile());
  AddAndFlush("torn");
  const std::string both = Content(FirstFile());
  // Without its end alone it is whole.
  for (size_t size = both.size() - 2; size > whole.size(); size -= std::min<size_t>(size, 29)) {
    Write(FirstFile(), both.substr(0, size));
    Reopen();
    EXPECT_THAT(warnings_, ElementsAre(HasSubstr("1.jsonl: 1 damaged"))) << size;
    EXPECT_THAT(Names(), ElementsAre("whole")) << size;
    AddAndFlush("later");
    Reopen();
    EXPECT_THAT(Names(), ElementsAre("later", "whole")) << size;
    EXPECT_THAT(AllNumbers(), ElementsAre(3, 1)) << "the torn record's number is not given again";
  }
}

TEST_F(AuditTrailTest, SkipsARecordOfWhichAnyByteWasAltered) {
  AddAndFlush("first");
  AddAndFlush("second");
  const std::string whole = Content(FirstFile());
  const size_t second = whole.find('\n') + 1;
  for (size_t at = 0; at < second; ++at) {
    std::string altered = whole;
    altered[at] = static_cast<char>(altered[at] ^ 0x02);
    Write(FirstFile(), altered);
    Reopen();
    EXPECT_THAT(warnings_, SizeIs(1)) << at;
    // Without its end the first line takes the second one with it.
    const bool end = at + 1 == second;
    EXPECT_EQ(Names(), end ? std::vector<std::string>() : std::vector<std::string>{"second"});
  }
}

TEST_F(AuditTrailTest, WritesLaterWhatAFullDiskRefused) {
  AddAndFlush("before");
  const std::string before = Content(FirstFile());
  {
    const FullDisk full(before.size() + 20);
    trail_->Add(Sample("one"));
    EXPECT_TRUE(absl::IsUnavailable(trail_->Flush()));
    trail_->Add(Sample("two"));
    EXPECT_TRUE(absl::IsUnavailable(trail_->Flush()));
    EXPECT_EQ(Content(FirstFile()), before) << "no torn line stays";
    EXPECT_THAT(Names(), ElementsAre("two", "one", "before"));
  }
  EXPECT_TRUE(trail_->Flush().ok());
  EXPECT_EQ(trail_->lost(), 0);
  Reopen();
  EXPECT_THAT(warnings_, IsEmpty());
  EXPECT_THAT(Names(), ElementsAre("two", "one", "before"));
}

TEST_F(AuditTrailTest, HoldsABoundedNumberForADiskThatRefuses) {
  {
    const FullDisk full(0);
    trail_->Add(Sample("first"));
    EXPECT_TRUE(absl::IsUnavailable(trail_->Flush()));
    for (size_t i = 1; i < AuditTrail::kMaxWaiting + 5; ++i) trail_->Add(Sample("later"));
  }
  EXPECT_EQ(trail_->lost(), 5);
  EXPECT_TRUE(trail_->Flush().ok());
  AuditQuery query;
  query.limit = AuditTrail::kMaxWaiting + 5;
  const AuditPage page = trail_->Read(query).value();
  EXPECT_THAT(page.records, SizeIs(AuditTrail::kMaxWaiting));
  EXPECT_EQ(page.records.back().number, 6);
}

TEST_F(AuditTrailTest, LooksAtABoundedNumberForEachPage) {
  for (int64_t i = 0; i < AuditTrail::kMaxLookedAt + 2'000; ++i) {
    trail_->Add(Sample(i == 0 ? "oldest" : "others"));
    if (i % 1'000 < 999) continue;
    ASSERT_TRUE(trail_->Flush().ok());
  }
  AuditQuery query;
  query.name = "oldest";
  // So many are not kept, but none is too old while few files are there.
  const AuditPage first = trail_->Read(query).value();
  EXPECT_THAT(first.records, IsEmpty());
  ASSERT_GT(first.next_before, 0);
  query.before = first.next_before;
  EXPECT_THAT(Names(query), ElementsAre("oldest"));
}

TEST_F(AuditTrailTest, LosesNothingBetweenThreads) {
  constexpr int kThreads = 4;
  constexpr int kEach = 50;
  trail_ = std::make_unique<AuditTrail>(folder_ + "/many", 100 * kKept);
  ASSERT_TRUE(trail_->Open(warnings_).ok());
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < kEach; ++i) {
        trail_->Add(Sample("x"));
        EXPECT_TRUE(trail_->Flush().ok());
        EXPECT_FALSE(i % 10 == 0 && trail_->Read({})->records.empty());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  AuditQuery query;
  query.limit = kThreads * kEach + 1;
  const AuditPage page = trail_->Read(query).value();
  std::set<int64_t> numbers;
  for (const AuditRecord& record : page.records) numbers.insert(record.number);
  EXPECT_THAT(numbers, SizeIs(kThreads * kEach));
  EXPECT_EQ(*numbers.rbegin(), kThreads * kEach);
}

TEST_F(AuditTrailTest, LeavesStrangeFilesAloneAndSaysThatItsFolderCannotBeMade) {
  Write(folder_ + "/notes.txt", "mine");
  Reopen();
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("notes.txt")));
  AuditTrail nowhere(folder_ + "/notes.txt", kKept);
  EXPECT_TRUE(absl::IsUnavailable(nowhere.Open(warnings_)));
}

using AuditStoreTest = StoreTestBase;

TEST_F(AuditStoreTest, StartsOnADamagedRecordAndKeepsChangesApartFromRefusals) {
  store_->changes().Add(Sample("changed"));
  ASSERT_TRUE(store_->changes().Flush().ok());
  store_->refusals().Add(Sample("refused"));
  ASSERT_TRUE(store_->refusals().Flush().ok());
  WriteFile("audit/changes/1.jsonl", FileContent("audit/changes/1.jsonl") + "{\"half");
  Reopen();
  EXPECT_THAT(store_->warnings(), ElementsAre(HasSubstr("audit/changes/1.jsonl: 1 damaged")));
  EXPECT_EQ(store_->changes().Read({})->records.at(0).name, "changed");
  EXPECT_EQ(store_->refusals().Read({})->records.at(0).name, "refused");
}

}  // namespace
}  // namespace scanserve::store
