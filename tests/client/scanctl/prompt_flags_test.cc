#include "client/scanctl/prompt_flags.h"

#include <gtest/gtest.h>

#include "tests/client/temporary_folder.h"

namespace scanserve::client {
namespace {

class PromptFlagsTest : public testing::Test {
 protected:
  std::string Read(std::string_view content, bool drop_last_line_break) {
    PromptFlags flags;
    flags.file = folder_.Write("prompt", content);
    return ReadPrompt(flags, drop_last_line_break).value().text_bytes();
  }

  TemporaryFolder folder_;
};

TEST_F(PromptFlagsTest, DropsOneLineBreakAtTheEndWhereAsked) {
  EXPECT_EQ(Read("text\n", true), "text");
  EXPECT_EQ(Read("text\r\n", true), "text");
  EXPECT_EQ(Read("text\n\n", true), "text\n");
  EXPECT_EQ(Read("text", true), "text");
  EXPECT_EQ(Read("\n", true), "");
  EXPECT_EQ(Read("text\n", false), "text\n");
}

TEST_F(PromptFlagsTest, RefusesAFileThatNoServerWouldTake) {
  PromptFlags flags;
  flags.file = folder_.Write("prompt", std::string(kMaxPromptFileBytes + 1, 'x'));
  EXPECT_EQ(ReadPrompt(flags, true).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(PromptFlagsTest, PrefersTokenIdsToStandardInput) {
  PromptFlags flags;
  flags.token_ids = {1, 2};
  EXPECT_EQ(ReadPrompt(flags, true).value().token_ids().ids_size(), 2);
}

}  // namespace
}  // namespace scanserve::client
