#include "server/log.h"

#include <algorithm>
#include <atomic>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/model/tokenizer/utf8.h"
#include "nlohmann/json.hpp"
#include "spdlog/async.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace scanserve::server {
namespace {

constexpr char kLoggerName[] = "scanserve";
constexpr size_t kQueuedLines = 8192;

std::atomic<LogFormat> log_format{LogFormat::kText};

spdlog::level::level_enum SpdlogLevel(absl::string_view level) {
  return spdlog::level::from_str(std::string(level));
}

void Write(spdlog::level::level_enum level, absl::string_view event,
           const std::vector<LogField>& fields) {
  const std::shared_ptr<spdlog::logger> logger = spdlog::get(kLoggerName);
  if (logger == nullptr || !logger->should_log(level)) return;
  if (log_format.load() == LogFormat::kText) {
    logger->log(level, "{}", FormatTextLine(event, fields));
    return;
  }
  const std::string time =
      absl::FormatTime("%Y-%m-%d%ET%H:%M:%E6SZ", absl::Now(), absl::UTCTimeZone());
  const spdlog::string_view_t name = spdlog::level::to_string_view(level);
  logger->log(level, "{}",
              FormatJsonLine(time, absl::string_view(name.data(), name.size()), event, fields));
}

// As a JSON string in ASCII: bad UTF-8 becomes U+FFFD; quotes, and all that a terminal or a reader
// of lines could take for more than text, are escaped.
std::string Quote(absl::string_view text) {
  constexpr bool kEnsureAscii = true;
  return nlohmann::json(std::string(text))
      .dump(-1, ' ', kEnsureAscii, nlohmann::json::error_handler_t::replace);
}

bool NeedsQuotes(absl::string_view value) {
  return value.empty() || std::any_of(value.begin(), value.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return byte <= 0x20 || byte == '"' || byte == '=' || byte == '\\' || byte >= 0x7F;
         });
}

}  // namespace

std::string LoggedText(absl::string_view text, size_t max_bytes) {
  constexpr absl::string_view kCut = "..";
  // Replacing makes nothing shorter: what is longer than this is cut in any case.
  const absl::string_view enough = text.substr(0, max_bytes + 1);
  std::string shown = model::ReplaceInvalidUtf8({enough.data(), enough.size()});
  if (shown.size() <= max_bytes) return shown;
  size_t end = max_bytes - kCut.size();
  while (end > 0 && (static_cast<unsigned char>(shown[end]) & 0xC0) == 0x80) --end;
  shown.resize(end);
  return absl::StrCat(shown, kCut);
}

LogField LogField::Whole(absl::string_view field_name, absl::string_view text) {
  LogField field(field_name, "");
  field.value = std::string(text);
  return field;
}

LogField::LogField(absl::string_view field_name, int64_t number)
    : name(field_name), value(absl::StrCat(number)), literal(true) {}

LogField::LogField(absl::string_view field_name, double number)
    : name(field_name), value(absl::StrFormat("%.3f", number)), literal(true) {}

LogField::LogField(absl::string_view field_name, bool truth)
    : name(field_name), value(truth ? "true" : "false"), literal(true) {}

bool IsLogLevel(absl::string_view level) {
  constexpr absl::string_view kLevels[] = {"trace", "debug", "info", "warning", "error", "off"};
  return std::find(std::begin(kLevels), std::end(kLevels), level) != std::end(kLevels);
}

void StartLog(const LogOptions& options) {
  log_format.store(options.format);
  spdlog::init_thread_pool(kQueuedLines, 1);
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  auto logger = std::make_shared<spdlog::async_logger>(
      kLoggerName, sink, spdlog::thread_pool(), spdlog::async_overflow_policy::overrun_oldest);
  logger->set_pattern(options.format == LogFormat::kText ? "%Y-%m-%dT%H:%M:%S.%e%z %l %v" : "%v");
  logger->set_level(SpdlogLevel(options.level));
  logger->flush_on(spdlog::level::info);
  spdlog::register_logger(logger);
}

void SetLogLevel(absl::string_view level) {
  const std::shared_ptr<spdlog::logger> logger = spdlog::get(kLoggerName);
  if (logger != nullptr) logger->set_level(SpdlogLevel(level));
}

void StopLog() { spdlog::shutdown(); }

int64_t LogLinesDropped() {
  const auto pool = spdlog::thread_pool();
  return pool == nullptr ? 0 : static_cast<int64_t>(pool->overrun_counter());
}

void LogInfo(absl::string_view event, const std::vector<LogField>& fields) {
  Write(spdlog::level::info, event, fields);
}

void LogWarning(absl::string_view event, const std::vector<LogField>& fields) {
  Write(spdlog::level::warn, event, fields);
}

void LogError(absl::string_view event, const std::vector<LogField>& fields) {
  Write(spdlog::level::err, event, fields);
}

std::string FormatTextLine(absl::string_view event, const std::vector<LogField>& fields) {
  std::string line(event);
  for (const LogField& field : fields) {
    const bool quotes = !field.literal && NeedsQuotes(field.value);
    absl::StrAppend(&line, " ", field.name, "=", quotes ? Quote(field.value) : field.value);
  }
  return line;
}

std::string FormatJsonLine(absl::string_view time, absl::string_view level, absl::string_view event,
                           const std::vector<LogField>& fields) {
  std::string line = absl::StrCat("{\"time\":", Quote(time), ",\"level\":", Quote(level),
                                  ",\"event\":", Quote(event));
  for (const LogField& field : fields) {
    absl::StrAppend(&line, ",", Quote(field.name), ":",
                    field.literal ? field.value : Quote(field.value));
  }
  return absl::StrCat(line, "}");
}

}  // namespace scanserve::server
