#include "client/progress_bar.h"

#include <gtest/gtest.h>

namespace scanserve::client {
namespace {

Progress Half() {
  return {.label = "extracting",
          .unit = "documents",
          .done = 5,
          .total = 10,
          .elapsed = absl::Seconds(7)};
}

TEST(ProgressBarTest, ShowsShareBarCountAndTime) {
  EXPECT_EQ(RenderProgress(Half(), 80),
            "extracting   50 %  [============            ]  5 of 10 documents  7 s");
}

TEST(ProgressBarTest, LeavesOutWhatHasNoRoom) {
  EXPECT_EQ(RenderProgress(Half(), 50), "extracting   50 %  [============            ]");
  EXPECT_EQ(RenderProgress(Half(), 20), "extracting   50 %");
  EXPECT_EQ(RenderProgress(Half(), 5), "");
}

TEST(ProgressBarTest, NeverTakesTheLastColumn) {
  for (int columns = 1; columns < 100; ++columns) {
    EXPECT_LT(DisplayWidth(RenderProgress(Half(), columns)), columns);
  }
}

TEST(ProgressBarTest, ShowsACountAloneWhenTheTotalIsNotKnown) {
  Progress progress = Half();
  progress.total = 0;
  progress.done = 12'345;
  EXPECT_EQ(RenderProgress(progress, 80), "extracting  12,345 documents  7 s");
}

TEST(ProgressBarTest, EndsAtAHundred) {
  Progress progress = Half();
  progress.done = 11;
  EXPECT_EQ(RenderProgress(progress, 50), "extracting  100 %  [========================]");
}

TEST(ProgressBarTest, CountsBytesInTheirUnit) {
  const Progress progress = {.label = "uploading",
                             .unit = "bytes",
                             .done = 1 << 20,
                             .total = 4 << 20,
                             .elapsed = absl::Seconds(1)};
  EXPECT_EQ(RenderProgress(progress, 80),
            "uploading   25 %  [======                  ]  1.0 MiB of 4.0 MiB  1 s");
}

TEST(ProgressBarTest, WritesNothingWithoutATerminal) {
  testing::internal::CaptureStderr();
  {
    ProgressBar bar(Terminal(), "extracting", "documents", 10);
    bar.Update(5);
    bar.Clear();
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace scanserve::client
