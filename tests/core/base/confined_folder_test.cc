#include "core/base/confined_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <filesystem>
#include <fstream>

namespace scanserve::base {
namespace {

using testing::HasSubstr;
using testing::Not;

// served/a/file beside outside/file.
class ConfinedFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    top_ = testing::TempDir() + "confined-XXXXXX";
    ASSERT_NE(::mkdtemp(top_.data()), nullptr);
    for (const char* folder : {"served/a", "outside"}) {
      std::filesystem::create_directories(top_ + "/" + folder);
      std::ofstream(top_ + "/" + folder + "/file") << "content";
    }
  }
  void TearDown() override { std::filesystem::remove_all(top_); }

  ConfinedFolder Root() const { return ConfinedFolder::Open(top_ + "/served").value(); }
  ConfinedFolder A() const { return Root().OpenFolder("a").value(); }
  std::string InA(const std::string& name) const { return top_ + "/served/a/" + name; }

  void ExpectRefused(const absl::Status& status, absl::StatusCode code,
                     const std::string& words) const {
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(words));
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr(top_)));
  }

  std::string top_;
};

TEST_F(ConfinedFolderTest, ReadsFilesInAFolder) {
  EXPECT_EQ(A().ReadFile("file", 7).value(), "content");
  ExpectRefused(A().ReadFile("file", 6).status(), absl::StatusCode::kInvalidArgument,
                "a/file has 7 bytes, the limit is 6");
}

TEST_F(ConfinedFolderTest, FollowsALinkOfTheOperatorsToTheFirstFolder) {
  std::filesystem::create_directory_symlink(top_ + "/served", top_ + "/link");
  EXPECT_TRUE(ConfinedFolder::Open(top_ + "/link").value().OpenFolder("a").ok());
  EXPECT_EQ(ConfinedFolder::Open(top_ + "/nowhere").status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(ConfinedFolderTest, SaysWhatIsNotThere) {
  ExpectRefused(Root().OpenFolder("b").status(), absl::StatusCode::kNotFound, "no file b");
  ExpectRefused(A().ReadFile("b", 9).status(), absl::StatusCode::kNotFound, "no file a/b");
}

TEST_F(ConfinedFolderTest, LetsNoNameLeadOut) {
  const absl::StatusCode invalid = absl::StatusCode::kInvalidArgument;
  for (const std::string& name : {std::string("../outside"), std::string("a/../../outside"),
                                  std::string(".."), top_ + "/outside"}) {
    const absl::Status status = Root().OpenFolder(name).status();
    EXPECT_EQ(status.code(), invalid) << name << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("leads out of its folder"));
  }
  EXPECT_EQ(A().ReadFile("../../outside/file", 9).status().code(), invalid);
}

TEST_F(ConfinedFolderTest, FollowsNoSymbolicLinkInside) {
  const absl::StatusCode invalid = absl::StatusCode::kInvalidArgument;
  std::filesystem::create_directory_symlink(top_ + "/outside", top_ + "/served/out");
  std::filesystem::create_directory_symlink("a", top_ + "/served/in");
  std::filesystem::create_symlink("file", InA("link"));
  ExpectRefused(Root().OpenFolder("out").status(), invalid, "out is a symbolic link");
  ExpectRefused(Root().OpenFolder("in").status(), invalid, "in is a symbolic link");
  ExpectRefused(A().ReadFile("link", 9).status(), invalid, "a/link is a symbolic link");
}

TEST_F(ConfinedFolderTest, ReadsRegularFilesOnlyAndWaitsForNone) {
  const absl::StatusCode invalid = absl::StatusCode::kInvalidArgument;
  ASSERT_EQ(::mkfifo(InA("fifo").c_str(), 0600), 0);
  std::filesystem::create_directory(InA("folder"));
  const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  ASSERT_LT(InA("socket").size(), sizeof(address.sun_path));
  InA("socket").copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  for (const char* name : {"fifo", "folder", "socket"}) {
    ExpectRefused(A().ReadFile(name, 9).status(), invalid, "is not a regular file");
  }
  ExpectRefused(A().OpenFolder("fifo").status(), invalid, "a/fifo is not a folder");
  ExpectRefused(A().OpenFolder("file").status(), invalid, "a/file is not a folder");
  ::close(listener);
}

}  // namespace
}  // namespace scanserve::base
