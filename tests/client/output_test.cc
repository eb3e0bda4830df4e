#include "client/output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <string>

namespace scanserve::client {
namespace {

TEST(OutputTest, WritesAtOnce) {
  std::array<int, 2> ends;
  ASSERT_EQ(pipe(ends.data()), 0);
  Output output(ends[1]);
  ASSERT_TRUE(output.Write("text").ok());
  std::array<char, 16> buffer;
  EXPECT_EQ(read(ends[0], buffer.data(), buffer.size()), 4);
  close(ends[0]);
  close(ends[1]);
}

TEST(OutputTest, NoticesThatItsReaderHasGone) {
  signal(SIGPIPE, SIG_IGN);
  std::array<int, 2> ends;
  ASSERT_EQ(pipe(ends.data()), 0);
  close(ends[0]);
  Output output(ends[1]);
  EXPECT_EQ(output.Write("text").code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(output.reader_gone());
  close(ends[1]);
}

TEST(OutputTest, ReportsAFullDisk) {
  const int full = open("/dev/full", O_WRONLY);
  ASSERT_GE(full, 0);
  Output output(full);
  EXPECT_EQ(output.Write("text").message(),
            "cannot write to standard output: No space left on device");
  EXPECT_FALSE(output.reader_gone());
  close(full);
}

}  // namespace
}  // namespace scanserve::client
