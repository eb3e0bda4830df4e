#include "core/base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace scanserve::base {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = (std::filesystem::temp_directory_path() / "file_XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  std::string folder_;
};

TEST_F(FileTest, ReadsWhatWasWrittenAndLeavesNoTemporary) {
  const std::string content("a\0b\n", 4);
  ASSERT_TRUE(WriteFileDurably(folder_ + "/x", content).ok());
  EXPECT_EQ(ReadFile(folder_ + "/x", 4).value(), content);
  ASSERT_TRUE(WriteFileDurably(folder_ + "/x", "new").ok());
  EXPECT_EQ(ReadFile(folder_ + "/x", 4).value(), "new");
  EXPECT_THAT(Names(), ElementsAre("x"));
}

TEST_F(FileTest, AFileForItsOwnerIsForNobodyElseEvenOverAnOldNeighbour) {
  std::ofstream(folder_ + "/key.tmp~") << "left by a crash, readable by all";
  ASSERT_EQ(::chmod((folder_ + "/key.tmp~").c_str(), 0644), 0);
  ASSERT_TRUE(WriteFileDurably(folder_ + "/key", "secret", Readers::kOwner).ok());
  struct stat status;
  ASSERT_EQ(::stat((folder_ + "/key").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(FileTest, AFileForItsOwnerKeepsTheOwnerAndTheRightsOfTheOneThatItReplaces) {
  const std::string path = folder_ + "/tokens";
  std::ofstream(path) << "old";
  // Only root may give a file away.
  const uid_t owner = ::geteuid() == 0 ? 65532 : ::geteuid();
  ASSERT_EQ(::chown(path.c_str(), owner, static_cast<gid_t>(-1)), 0);
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  ASSERT_TRUE(WriteFileDurably(path, "new", Readers::kOwner).ok());
  struct stat status;
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, owner);
  EXPECT_EQ(status.st_mode & 0777U, 0640U);
  EXPECT_EQ(ReadFile(path, 9).value(), "new");
  ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  ASSERT_TRUE(WriteFileDurably(path, "newer", Readers::kOwner).ok());
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U) << "what everybody could read is a slip";
}

TEST_F(FileTest, RefusesAFileLargerThanTheLimit) {
  ASSERT_TRUE(WriteFileDurably(folder_ + "/x", "12345").ok());
  const absl::Status status = ReadFile(folder_ + "/x", 4).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(status.message(), HasSubstr("has 5 bytes, the limit is 4"));
}

TEST_F(FileTest, TellsAMissingFileFromOneThatIsNoFile) {
  EXPECT_TRUE(absl::IsNotFound(ReadFile(folder_ + "/x", 4).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadFile(folder_, 4).status()));
  ASSERT_EQ(::mkfifo((folder_ + "/fifo").c_str(), 0600), 0);
  EXPECT_TRUE(absl::IsInvalidArgument(ReadFile(folder_ + "/fifo", 4).status()));
}

TEST_F(FileTest, SaysThatAFolderIsNotThereToWriteInto) {
  EXPECT_TRUE(absl::IsUnavailable(WriteFileDurably(folder_ + "/none/x", "content")));
}

TEST_F(FileTest, KeepsTheOldContentWhenTheDiskRefusesTheNew) {
  ASSERT_TRUE(WriteFileDurably(folder_ + "/x", "old").ok());
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status status = WriteFileDurably(folder_ + "/x", std::string(5000, 'n'));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr(folder_));
  EXPECT_EQ(ReadFile(folder_ + "/x", 5000).value(), "old");
  EXPECT_THAT(Names(), ElementsAre("x"));
}

TEST_F(FileTest, WritesOverATemporaryThatACrashLeft) {
  std::ofstream(folder_ + "/x" + std::string(kTemporarySuffix)) << std::string(100, 'z');
  ASSERT_TRUE(WriteFileDurably(folder_ + "/x", "new").ok());
  EXPECT_EQ(ReadFile(folder_ + "/x", 100).value(), "new");
  EXPECT_THAT(Names(), ElementsAre("x"));
}

TEST_F(FileTest, ClosesItsDescriptorOnce) {
  int number = -1;
  {
    FileDescriptor first(::dup(0));
    number = first.get();
    FileDescriptor second(std::move(first));
    EXPECT_FALSE(first.valid());
    EXPECT_EQ(second.get(), number);
  }
  EXPECT_EQ(::close(number), -1);
}

}  // namespace
}  // namespace scanserve::base
