#include "client/scanctl/bench_requests.h"

#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/scan_choice.h"
#include "client/scanctl/scan_flags.h"
#include "client/text_input.h"
#include "core/base/status_macros.h"

namespace scanserve::client {
namespace {

constexpr int64_t kMaxPromptFileBytes = 64 << 20;
// The prompt that all share is drawn as if by a request of its own, which no run reaches.
constexpr uint64_t kSharedStream = UINT64_MAX;

v1::ScanChoice ScanOf(const BenchMixEntry& entry) {
  v1::ScanChoice choice;
  if (entry.order.empty()) {
    choice.mutable_assigned();
  } else if (entry.order == "identity") {
    choice.mutable_identity();
  } else {
    *choice.mutable_setting()->mutable_order() = *ParseScanOrderRef(entry.order);
  }
  return choice;
}

v1::AdapterChoice AdapterOf(const BenchMixEntry& entry) {
  v1::AdapterChoice choice;
  if (entry.adapter.empty()) {
    choice.mutable_assigned();
  } else if (entry.adapter == "none") {
    choice.mutable_base();
  } else {
    *choice.mutable_ref() = *ParseAdapterRef(entry.adapter);
  }
  return choice;
}

// What all requests have, and where it stands in each of them.
struct Parts {
  std::string request_id;
  v1::Prompt prompt;
  v1::ScanChoice scan;
  v1::AdapterChoice adapter;
  v1::Priority priority;
};

template <typename Message>
void SetChoices(Parts& parts, Message& message) {
  message.set_request_id(parts.request_id);
  *message.mutable_scan() = std::move(parts.scan);
  *message.mutable_adapter() = std::move(parts.adapter);
  message.set_priority(parts.priority);
}

}  // namespace

BenchRequests::BenchRequests(BenchSettings settings, int32_t vocabulary_size,
                             std::vector<std::string> prompts)
    : settings_(std::move(settings)),
      vocabulary_size_(vocabulary_size),
      prompts_(std::move(prompts)) {}

size_t BenchRequests::DrawEntry(BenchRandom& random) const {
  double total = 0;
  for (const BenchMixEntry& entry : settings_.mix) total += entry.weight;
  double left = random.Uniform() * total;
  for (size_t i = 0; i + 1 < settings_.mix.size(); ++i) {
    left -= settings_.mix[i].weight;
    if (left < 0) return i;
  }
  return settings_.mix.size() - 1;
}

v1::Prompt BenchRequests::DrawPrompt(const BenchMixEntry& entry, BenchRandom& random) const {
  v1::Prompt prompt;
  if (!prompts_.empty()) {
    const int64_t last = static_cast<int64_t>(prompts_.size()) - 1;
    prompt.set_text_bytes(prompts_[static_cast<size_t>(random.Between(0, last))]);
    return prompt;
  }
  const int64_t tokens = entry.prompt.value_or(settings_.prompt_tokens).Draw(random);
  const int64_t shared = std::llround(settings_.shared_prefix * static_cast<double>(tokens));
  BenchRandom shared_random(settings_.seed, kSharedStream);
  auto& ids = *prompt.mutable_token_ids()->mutable_ids();
  ids.Reserve(static_cast<int>(tokens));
  for (int64_t i = 0; i < tokens; ++i) {
    BenchRandom& source = i < shared ? shared_random : random;
    ids.Add(static_cast<int32_t>(source.Between(0, vocabulary_size_ - 1)));
  }
  return prompt;
}

BenchRequest BenchRequests::Make(int64_t index) const {
  BenchRandom random(settings_.seed, static_cast<uint64_t>(index));
  BenchRequest request{.index = index, .entry = DrawEntry(random), .message = {}};
  const BenchMixEntry& entry = settings_.mix[request.entry];
  const int64_t output_tokens = entry.output.value_or(settings_.output_tokens).Draw(random);
  Parts parts{absl::StrCat("bench-", settings_.seed, "-", index), DrawPrompt(entry, random),
              ScanOf(entry), AdapterOf(entry), PriorityOf(entry.priority)};
  switch (entry.kind) {
    case BenchKind::kGenerate: {
      auto& message = request.message.emplace<v1::GenerateRequest>();
      SetChoices(parts, message);
      *message.mutable_prompt() = std::move(parts.prompt);
      v1::SamplingParameters& sampling = *message.mutable_sampling();
      sampling.set_max_new_tokens(static_cast<int32_t>(output_tokens));
      sampling.set_ignore_eos(true);
      sampling.set_temperature(settings_.temperature.value_or(0));
      sampling.set_seed(random.Next());
      break;
    }
    case BenchKind::kPerplexity: {
      auto& message = request.message.emplace<BenchPerplexityRequest>();
      SetChoices(parts, message.settings);
      message.settings.set_window_tokens(entry.window_tokens);
      *message.document.mutable_content() = std::move(parts.prompt);
      break;
    }
    case BenchKind::kExtract: {
      auto& message = request.message.emplace<v1::ExtractHiddenStatesRequest>();
      SetChoices(parts, message);
      *message.mutable_prompt() = std::move(parts.prompt);
      break;
    }
  }
  return request;
}

absl::StatusOr<std::vector<std::string>> ReadBenchPrompts(const std::string& path) {
  SCANSERVE_ASSIGN_OR_RETURN(const std::string text, ReadTextInput(path, kMaxPromptFileBytes));
  std::vector<std::string> prompts;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripSuffix(line, "\r");
    if (!absl::StripAsciiWhitespace(line).empty()) prompts.emplace_back(line);
  }
  if (prompts.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": no line holds a prompt"));
  }
  return prompts;
}

}  // namespace scanserve::client
