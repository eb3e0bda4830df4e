#include "client/progress_bar.h"

#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/number_text.h"
#include "client/terminal.h"

namespace scanserve::client {
namespace {

constexpr int kBarColumns = 24;
constexpr absl::Duration kPauseBetweenDraws = absl::Milliseconds(200);
// To the line's start, then clear to its end.
constexpr const char* kClearLine = "\r\x1B[K";

double Share(const Progress& progress) {
  return std::clamp(static_cast<double>(progress.done) / static_cast<double>(progress.total), 0.0,
                    1.0);
}

std::string Bar(double share) {
  const int filled = static_cast<int>(share * kBarColumns);
  return absl::StrCat("[", std::string(static_cast<size_t>(filled), '='),
                      std::string(static_cast<size_t>(kBarColumns - filled), ' '), "]");
}

std::string Count(const Progress& progress) {
  if (progress.unit == "bytes") {
    return progress.total == 0
               ? BytesText(progress.done)
               : absl::StrCat(BytesText(progress.done), " of ", BytesText(progress.total));
  }
  const std::string of =
      progress.total == 0 ? "" : absl::StrCat(" of ", WithThousands(progress.total));
  return absl::StrCat(WithThousands(progress.done), of, " ", progress.unit);
}

// In whole seconds, so that the line does not flicker.
std::string Elapsed(absl::Duration elapsed) {
  return elapsed < absl::Minutes(1) ? absl::StrCat(absl::ToInt64Seconds(elapsed), " s")
                                    : DurationText(elapsed);
}

}  // namespace

std::string RenderProgress(const Progress& progress, int columns) {
  std::vector<std::string> parts = {progress.label};
  if (progress.total > 0) {
    const double share = Share(progress);
    parts.push_back(absl::StrFormat("%3d %%", static_cast<int>(share * 100)));
    parts.push_back(Bar(share));
  }
  if (progress.total > 0 || progress.done > 0) parts.push_back(Count(progress));
  parts.push_back(Elapsed(progress.elapsed));
  std::string line;
  for (const std::string& part : parts) {
    const std::string longer = absl::StrCat(line, line.empty() ? "" : "  ", part);
    if (DisplayWidth(longer) >= columns) break;
    line = longer;
  }
  return line;
}

ProgressBar::ProgressBar(const Terminal& terminal, std::string label, std::string unit,
                         int64_t total)
    : enabled_(terminal.error_is_terminal), columns_(terminal.error_columns) {
  Restart(std::move(label), std::move(unit), total);
  if (enabled_) drawer_ = std::thread([this] { DrawRegularly(); });
}

ProgressBar::~ProgressBar() {
  if (!enabled_) return;
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  drawer_.join();
  Clear();
}

void ProgressBar::Update(int64_t done) {
  base::MutexLock lock(mutex_);
  progress_.done = done;
  hidden_ = false;
}

void ProgressBar::Restart(std::string label, std::string unit, int64_t total) {
  base::MutexLock lock(mutex_);
  progress_ = {.label = std::move(label), .unit = std::move(unit), .total = total, .elapsed = {}};
  started_ = absl::Now();
  hidden_ = false;
}

void ProgressBar::Clear() {
  if (!enabled_) return;
  base::MutexLock lock(mutex_);
  hidden_ = true;
  std::fputs(kClearLine, stderr);
}

void ProgressBar::DrawRegularly() {
  base::MutexLock lock(mutex_);
  while (!stopping_) {
    // Work that is done at once shows nothing.
    changed_.WaitUntil(mutex_, absl::Now() + kPauseBetweenDraws);
    if (hidden_ || stopping_) continue;
    progress_.elapsed = absl::Now() - started_;
    std::fprintf(stderr, "%s%s", kClearLine, RenderProgress(progress_, columns_).c_str());
  }
}

}  // namespace scanserve::client
