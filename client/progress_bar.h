// A line on standard error that shows how far long work has come, while standard error is a
// terminal; else nothing.
#pragma once

#include <cstdint>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "client/terminal.h"
#include "core/base/mutex.h"

namespace scanserve::client {

struct Progress {
  std::string label;  // what is being done, e.g. "extracting"
  std::string unit;   // what is counted, e.g. "documents"; "bytes" are shown as KiB, MiB, ..
  int64_t done = 0;
  int64_t total = 0;  // 0 when it is not known: no bar, only the count
  absl::Duration elapsed;
};

// One line, without its end, that takes at most `columns` - 1 columns: label, share, bar, count and
// time, of which the last ones are left out where there is no room.
std::string RenderProgress(const Progress& progress, int columns);

// Thread-safe. The line is drawn five times a second, so that its time goes on while nothing else
// does, and taken away when the bar goes.
class ProgressBar {
 public:
  ProgressBar(const Terminal& terminal, std::string label, std::string unit, int64_t total);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void Update(int64_t done);
  // Begins other work in the same place.
  void Restart(std::string label, std::string unit, int64_t total);
  // Takes the line away until the next Update, so that other text can be written.
  void Clear();

 private:
  void DrawRegularly();

  const bool enabled_;
  const int columns_;
  base::Mutex mutex_;
  base::CondVar changed_;
  Progress progress_ ABSL_GUARDED_BY(mutex_);
  absl::Time started_ ABSL_GUARDED_BY(mutex_);
  bool hidden_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread drawer_;
};

}  // namespace scanserve::client
