#include "server/session_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"

namespace scanserve::server {
namespace {

using testing::HasSubstr;

class SessionKeysTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "session-keys-XXXXXX";
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
    path_ = folder_ + "/keys";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& text) { ASSERT_TRUE(base::WriteFileDurably(path_, text).ok()); }
  static std::string Line(const std::string& id, char digit) {
    return absl::StrCat(id, " ", std::string(64, digit), "\n");
  }

  std::string folder_;
  std::string path_;
};

TEST_F(SessionKeysTest, MakesARingForItsOwnerAloneAndKeepsIt) {
  auto keys = SessionKeys::Open(path_, SessionKeys::IfMissing::kMake);
  ASSERT_TRUE(keys.ok()) << keys.status();
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  const std::string key = (*keys)->Current()->newest().key;
  keys = SessionKeys::Open(path_, SessionKeys::IfMissing::kMake);
  ASSERT_TRUE(keys.ok()) << keys.status();
  EXPECT_EQ((*keys)->Current()->newest().key, key);
}

TEST_F(SessionKeysTest, SaysWhatIsWrongWithAFileThatWasNamed) {
  EXPECT_TRUE(absl::IsNotFound(SessionKeys::Open(path_, SessionKeys::IfMissing::kFail).status()));
  Write("a 12\n");
  for (const auto if_missing : {SessionKeys::IfMissing::kFail, SessionKeys::IfMissing::kMake}) {
    const absl::Status status = SessionKeys::Open(path_, if_missing).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    EXPECT_THAT(status.message(), HasSubstr("keys: line 1: the key must be 64 hex digits"));
  }
}

TEST_F(SessionKeysTest, FollowsItsFileAndKeepsTheLastGoodRing) {
  Write(Line("a", '1'));
  const auto keys = SessionKeys::Open(path_, SessionKeys::IfMissing::kFail).value();
  const auto before = keys->Current();
  EXPECT_EQ(keys->Current(), before) << "not read again while nothing changed";
  Write(Line("a", '1') + Line("b", '2'));
  EXPECT_EQ(keys->Current()->newest().id, "b");
  Write("damaged");
  EXPECT_EQ(keys->Current()->newest().id, "b");
  std::filesystem::remove(path_);
  EXPECT_EQ(keys->Current()->newest().id, "b");
  Write(Line("c", '3'));
  EXPECT_EQ(keys->Current()->newest().id, "c");
  EXPECT_EQ(before->newest().id, "a") << "who holds a ring keeps it";
}

TEST_F(SessionKeysTest, AFileChangedInPlaceAtTheSameSizeIsSeen) {
  Write(Line("a", '1'));
  const auto keys = SessionKeys::Open(path_, SessionKeys::IfMissing::kFail).value();
  // The clock that stamps files ticks every few milliseconds: until it has, nothing tells the two.
  while (keys->Current()->newest().id == "a") std::ofstream(path_) << Line("b", '2');
  EXPECT_EQ(keys->Current()->newest().key, std::string(32, '\x22'));
}

TEST_F(SessionKeysTest, CanBeAskedFromManyThreadsWhileTheFileChanges) {
  Write(Line("a", '1'));
  const auto keys = SessionKeys::Open(path_, SessionKeys::IfMissing::kFail).value();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&keys] {
      for (int k = 0; k < 200; ++k) EXPECT_EQ(keys->Current()->newest().key.size(), 32U);
    });
  }
  for (int k = 0; k < 20; ++k) Write(Line(absl::StrCat("k", k), '4'));
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(keys->Current()->newest().id, "k19");
}

}  // namespace
}  // namespace scanserve::server
