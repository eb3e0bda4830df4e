// Log lines: an event and named values, as text or as JSON lines on standard error.
//
// Lines pass through a bounded queue to a thread of their own; when the reader of standard error
// does not keep up, the oldest lines are dropped and no caller waits. Thread-safe. Before StartLog
// lines are dropped.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace scanserve::server {

enum class LogFormat { kText, kJson };

struct LogOptions {
  // trace, debug, info, warning, error or off.
  std::string level = "info";
  LogFormat format = LogFormat::kText;
};

inline constexpr size_t kMaxLoggedBytes = 64;

// A text from outside as it may be logged and kept: bad UTF-8 becomes U+FFFD; what is longer than
// `max_bytes` is cut, at a character, and ends in "..".
std::string LoggedText(absl::string_view text, size_t max_bytes = kMaxLoggedBytes);

// One named value of a line. Numbers stay numbers in JSON; text becomes LoggedText, and is escaped:
// a line is ASCII without control characters.
struct LogField {
  LogField(absl::string_view field_name, absl::string_view text)
      : name(field_name), value(LoggedText(text)) {}
  // Without these two, a pointer would sooner become a bool than a string_view.
  LogField(absl::string_view field_name, const char* text)
      : LogField(field_name, absl::string_view(text)) {}
  LogField(absl::string_view field_name, const std::string& text)
      : LogField(field_name, absl::string_view(text)) {}
  LogField(absl::string_view field_name, int64_t number);
  LogField(absl::string_view field_name, int32_t number) : LogField(field_name, int64_t{number}) {}
  LogField(absl::string_view field_name, double number);
  LogField(absl::string_view field_name, bool truth);
  // A text of our own, a message or an option, which is not cut.
  static LogField Whole(absl::string_view field_name, absl::string_view text);

  std::string name;
  std::string value;
  // `value` is JSON as it stands.
  bool literal = false;
};

// Lines that were dropped because standard error was not read.
int64_t LogLinesDropped();

// Whether `level` is one of LogOptions::level.
bool IsLogLevel(absl::string_view level);

// Lines below `level`, one of LogOptions::level, are dropped from now on.
void SetLogLevel(absl::string_view level);

// Once for a process; StopLog writes what waits and ends the thread.
void StartLog(const LogOptions& options);
void StopLog();

void LogInfo(absl::string_view event, const std::vector<LogField>& fields = {});
void LogWarning(absl::string_view event, const std::vector<LogField>& fields = {});
void LogError(absl::string_view event, const std::vector<LogField>& fields = {});

// One line as it is written, without time and level (text) or with them (JSON).
std::string FormatTextLine(absl::string_view event, const std::vector<LogField>& fields);
std::string FormatJsonLine(absl::string_view time, absl::string_view level, absl::string_view event,
                           const std::vector<LogField>& fields);

}  // namespace scanserve::server
