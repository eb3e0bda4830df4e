#include "client/scanctl/bench_settings.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "client/scan_choice.h"
#include "core/base/status_macros.h"
#include "scanserve/v1/inference_service.pb.h"

namespace scanserve::client {
namespace {

// More than any server takes, so that it names its limit.
constexpr double kMaxTokens = 1 << 20;

constexpr std::array<std::pair<absl::string_view, BenchKind>, 3> kKinds = {{
    {"generate", BenchKind::kGenerate},
    {"perplexity", BenchKind::kPerplexity},
    {"extract", BenchKind::kExtract},
}};

absl::Status WrongLength(absl::string_view text) {
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", text, "\" is no number of tokens from 1 to ", static_cast<int64_t>(kMaxTokens),
      ": write 128, uniform:LOW:HIGH or normal:MEAN:DEVIATION"));
}

bool IsTokenCount(double value) { return value >= 1 && value <= kMaxTokens; }
bool IsWhole(double value) { return std::floor(value) == value; }

// Whole numbers without an exponent.
std::string NumberText(double value) { return absl::StrFormat("%.15g", value); }

absl::Status WrongEntry(absl::string_view text, absl::string_view reason) {
  return absl::InvalidArgumentError(absl::StrCat("\"", text, "\": ", reason));
}

absl::StatusOr<BenchKind> ParseKind(absl::string_view text, absl::string_view name) {
  for (const auto& [known, kind] : kKinds) {
    if (known == name) return kind;
  }
  return WrongEntry(text, "begins with generate, perplexity or extract");
}

absl::Status SetKey(absl::string_view text, absl::string_view key, absl::string_view value,
                    BenchMixEntry& entry) {
  if (key == "weight") {
    const bool valid = absl::SimpleAtod(value, &entry.weight) && std::isfinite(entry.weight);
    return valid && entry.weight > 0 ? absl::OkStatus()
                                     : WrongEntry(text, "a weight is a number above 0");
  }
  if (key == "prompt") {
    SCANSERVE_ASSIGN_OR_RETURN(entry.prompt, ParseBenchLength(value));
    return absl::OkStatus();
  }
  if (key == "output" && entry.kind == BenchKind::kGenerate) {
    SCANSERVE_ASSIGN_OR_RETURN(entry.output, ParseBenchLength(value));
    return absl::OkStatus();
  }
  if (key == "window" && entry.kind == BenchKind::kPerplexity) {
    const bool valid = absl::SimpleAtoi(value, &entry.window_tokens) && entry.window_tokens > 0;
    return valid ? absl::OkStatus() : WrongEntry(text, "a window is a number of tokens above 0");
  }
  if (key == "adapter") {
    entry.adapter = std::string(value);
    return value == "none" ? absl::OkStatus() : ParseAdapterRef(value).status();
  }
  if (key == "priority") {
    entry.priority = std::string(value);
    const auto priority = ParseEnum<v1::Priority>(value);
    return priority && *priority != v1::PRIORITY_UNSPECIFIED
               ? absl::OkStatus()
               : WrongEntry(text, "a priority is normal or low");
  }
  if (key == "order") {
    entry.order = std::string(value);
    return value == "identity" ? absl::OkStatus() : ParseScanOrderRef(value).status();
  }
  return WrongEntry(text, absl::StrCat(BenchKindText(entry.kind), " takes no \"", key, "\""));
}

Json EntryJson(const BenchSettings& settings, const BenchMixEntry& entry) {
  Json json = {{"kind", BenchKindText(entry.kind)}, {"weight", entry.weight}};
  if (settings.prompt_file.empty()) {
    json["prompt_tokens"] = BenchLengthText(entry.prompt.value_or(settings.prompt_tokens));
  }
  if (entry.kind == BenchKind::kGenerate) {
    json["output_tokens"] = BenchLengthText(entry.output.value_or(settings.output_tokens));
  }
  if (entry.kind == BenchKind::kPerplexity) json["window_tokens"] = entry.window_tokens;
  if (!entry.adapter.empty()) json["adapter"] = entry.adapter;
  if (!entry.order.empty()) json["order"] = entry.order;
  if (!entry.priority.empty()) json["priority"] = entry.priority;
  return json;
}

}  // namespace

int64_t BenchLength::Draw(BenchRandom& random) const {
  if (shape == Shape::kUniform) {
    return random.Between(static_cast<int64_t>(first), static_cast<int64_t>(second));
  }
  if (shape == Shape::kNormal) {
    return std::llround(std::clamp(random.Normal(first, second), 1.0, kMaxTokens));
  }
  return static_cast<int64_t>(first);
}

absl::StatusOr<BenchLength> ParseBenchLength(absl::string_view text) {
  using Shape = BenchLength::Shape;
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  BenchLength length;
  if (parts.size() == 1) {
    const bool valid = absl::SimpleAtod(text, &length.first) && IsTokenCount(length.first) &&
                       IsWhole(length.first);
    return valid ? absl::StatusOr<BenchLength>(length) : WrongLength(text);
  }
  if (parts.size() != 3 || !absl::SimpleAtod(parts[1], &length.first) ||
      !absl::SimpleAtod(parts[2], &length.second) || !IsTokenCount(length.first)) {
    return WrongLength(text);
  }
  if (parts[0] == "uniform" && IsTokenCount(length.second) && IsWhole(length.first) &&
      IsWhole(length.second) && length.first <= length.second) {
    length.shape = Shape::kUniform;
    return length;
  }
  if (parts[0] == "normal" && length.second >= 0 && length.second <= kMaxTokens) {
    length.shape = Shape::kNormal;
    return length;
  }
  return WrongLength(text);
}

std::string BenchLengthText(const BenchLength& length) {
  switch (length.shape) {
    case BenchLength::Shape::kFixed:
      return NumberText(length.first);
    case BenchLength::Shape::kUniform:
      return absl::StrCat("uniform:", NumberText(length.first), ":", NumberText(length.second));
    case BenchLength::Shape::kNormal:
      return absl::StrCat("normal:", NumberText(length.first), ":", NumberText(length.second));
  }
  return "";
}

std::string BenchKindText(BenchKind kind) {
  for (const auto& [name, known] : kKinds) {
    if (known == kind) return std::string(name);
  }
  return "";
}

absl::StatusOr<BenchMixEntry> ParseBenchMixEntry(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ',');
  BenchMixEntry entry;
  SCANSERVE_ASSIGN_OR_RETURN(entry.kind, ParseKind(text, parts[0]));
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(parts[i], absl::MaxSplits('=', 1));
    SCANSERVE_RETURN_IF_ERROR(SetKey(text, pair.first, pair.second, entry));
  }
  return entry;
}

std::string BenchMixEntryText(const BenchMixEntry& entry) {
  std::string text = BenchKindText(entry.kind);
  if (entry.weight != 1) absl::StrAppend(&text, ",weight=", NumberText(entry.weight));
  if (entry.prompt) absl::StrAppend(&text, ",prompt=", BenchLengthText(*entry.prompt));
  if (entry.output) absl::StrAppend(&text, ",output=", BenchLengthText(*entry.output));
  if (entry.window_tokens > 0) absl::StrAppend(&text, ",window=", entry.window_tokens);
  if (!entry.adapter.empty()) absl::StrAppend(&text, ",adapter=", entry.adapter);
  if (!entry.order.empty()) absl::StrAppend(&text, ",order=", entry.order);
  if (!entry.priority.empty()) absl::StrAppend(&text, ",priority=", entry.priority);
  return text;
}

Json BenchSettingsJson(const BenchSettings& settings) {
  Json json;
  json["loop"] = settings.rate > 0 ? "open" : "closed";
  json["clients"] = settings.clients;
  json["connections"] = settings.connections;
  if (settings.rate > 0) {
    json["rate"] = settings.rate;
    json["arrivals"] = settings.poisson ? "poisson" : "constant";
  } else {
    json["think_time_seconds"] = absl::ToDoubleSeconds(settings.think_time);
  }
  json["requests"] = settings.requests > 0 ? Json(settings.requests) : Json();
  json["duration_seconds"] = settings.duration == absl::InfiniteDuration()
                                 ? Json()
                                 : Json(absl::ToDoubleSeconds(settings.duration));
  json["warm_up_requests"] = settings.warm_up;
  json["prompt_file"] = settings.prompt_file.empty() ? Json() : Json(settings.prompt_file);
  json["shared_prefix"] = settings.shared_prefix;
  json["temperature"] = settings.temperature ? Json(*settings.temperature) : Json();
  json["seed"] = settings.seed;
  json["mix"] = Json::array();
  for (const BenchMixEntry& entry : settings.mix) json["mix"].push_back(EntryJson(settings, entry));
  return json;
}

}  // namespace scanserve::client
