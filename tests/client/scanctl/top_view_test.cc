#include "client/scanctl/top_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_split.h"
#include "client/terminal.h"

namespace scanserve::client {
namespace {

using testing::HasSubstr;
using testing::Not;

TopFigures BusyServer() {
  TopFigures figures;
  figures.time = absl::FromUnixSeconds(1'700'000'000);
  figures.interval = absl::Seconds(1);
  figures.model = "mamba-130m";
  figures.version = "0.1.0";
  figures.order = "tour-of-the-corpus";
  figures.order_version = "12";
  figures.target_layers = "all";
  figures.readout = "natural_last";
  figures.requests = 12.5;
  figures.prompt_tokens = 20'480;
  figures.generated_tokens = 1234;
  figures.queued = 200;
  figures.queue_capacity = 256;
  figures.slots_used = 64;
  figures.slots = 64;
  figures.cache_bytes = 100 << 20;
  figures.cache_max_bytes = 128 << 20;
  figures.memory_bytes = 900 << 20;
  figures.load = 0.97;
  figures.step_tokens = 310;
  figures.cache_hits = 0.63;
  figures.latencies = {{"first token", 0.04, 0.3, 2.5, 10},
                       {"queue", {}, {}, {}, 0},
                       {"ExtractHiddenStates", 0.0002, 61, 4000, 1}};
  return figures;
}

int Widest(const std::string& text) {
  int widest = 0;
  for (const auto& line : absl::StrSplit(text, '\n')) {
    widest = std::max(widest, DisplayWidth(line));
  }
  return widest;
}

TEST(TopViewTest, FitsTerminalsFromFortyColumnsOn) {
  TopFigures figures = BusyServer();
  figures.arms = {{"control", 6, 600, 0.04, 0.3, 0.011}, {"tour", 6, 590, 0.05, 0.2, 0.012}};
  for (const int width : {40, 60, 72, 80, 120}) {
    EXPECT_LE(Widest(LayoutTop(figures, "127.0.0.1:50051", width, false)), width) << width;
  }
}

TEST(TopViewTest, ShowsFiguresWithTheirUnits) {
  const std::string text = LayoutTop(BusyServer(), "127.0.0.1:50051", 80, false);
  EXPECT_THAT(text, HasSubstr("order     tour-of-the-corpus@12\n"));
  EXPECT_THAT(text, HasSubstr("requests  12.5/s\n"));
  EXPECT_THAT(text, HasSubstr("tokens    20,480/s in, 1,234/s out\n"));
  EXPECT_THAT(text, HasSubstr("engine    97 % busy, 310 tokens a step\n"));
  EXPECT_THAT(text, HasSubstr("queue     200 of 256\n"));
  EXPECT_THAT(text, HasSubstr("cache     63 % hit, 100.0 MiB of 128.0 MiB\n"));
  EXPECT_THAT(text, HasSubstr("40 ms"));
  EXPECT_THAT(text, Not(HasSubstr("arm")));
}

TEST(TopViewTest, NamesFailuresOnlyWhenThereAreAny) {
  TopFigures figures = BusyServer();
  EXPECT_THAT(LayoutTop(figures, "server", 80, false), Not(HasSubstr("failed")));
  figures.failed = 0.5;
  figures.rejected = 2;
  figures.cancelled = 1;
  EXPECT_THAT(LayoutTop(figures, "server", 80, false),
              HasSubstr("12.5/s, 0.5 failed, 2.0 rejected, 1.0 cancelled\n"));
}

}  // namespace
}  // namespace scanserve::client
