#include "client/scanctl/generation_view.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/number_text.h"
#include "client/scan_choice.h"

namespace scanserve::client {
namespace {

std::string ReasonText(const v1::GenerateFinished& finished) {
  std::string text = EnumText(finished.reason());
  if (!finished.stop_string().empty()) {
    absl::StrAppend(&text, " \"", Escaped(finished.stop_string()), "\"");
  }
  if (finished.has_stop_token_id()) absl::StrAppend(&text, " ", finished.stop_token_id());
  return text;
}

std::string AlternativesText(const v1::TokenLogprob& token) {
  return absl::StrJoin(token.top(), "  ", [](std::string* out, const v1::TopLogprob& other) {
    absl::StrAppendFormat(out, "%s %.3f", Escaped(other.token()), other.logprob());
  });
}

}  // namespace

absl::Status GenerationView::Show(const v1::GenerateResponse& response) {
  switch (response.event_case()) {
    case v1::GenerateResponse::kStarted:
      started_ = response.started();
      return absl::OkStatus();
    case v1::GenerateResponse::kPrompt:
      return ShowPrompt(response.prompt());
    case v1::GenerateResponse::kDelta:
      return ShowDelta(response.delta());
    case v1::GenerateResponse::kFinished: {
      Choice& choice = choices_[response.finished().choice()];
      choice.finished = response.finished();
      choice.done = true;
      return WriteCurrent();
    }
    case v1::GenerateResponse::kSummary:
      summary_ = response.summary();
      return absl::OkStatus();
    case v1::GenerateResponse::kSession:
      session_bytes_ = response.session().total_bytes();
      return absl::OkStatus();
    case v1::GenerateResponse::EVENT_NOT_SET:
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status GenerationView::ShowPrompt(const v1::GeneratePrompt& part) {
  prompt_.mutable_logprobs()->MergeFrom(part.logprobs());
  return WriteText(part.text());
}

absl::Status GenerationView::EndPrompt() {
  if (std::exchange(prompt_ended_, true)) return absl::OkStatus();
  const bool with_table = prompt_.logprobs_size() > 0;
  // One continuation goes on in the prompt's last line.
  if (with_table || started_.sampling().n() > 1) SCANSERVE_RETURN_IF_ERROR(EndLine());
  return with_table ? session_.output.Write(PromptTable()) : absl::OkStatus();
}

absl::Status GenerationView::WriteText(const std::string& text) {
  if (text.empty()) return absl::OkStatus();
  in_line_ = text.back() != '\n';
  return session_.output.Write(session_.terminal.output_is_terminal ? WithoutControls(text) : text);
}

absl::Status GenerationView::EndLine() {
  return std::exchange(in_line_, false) ? session_.output.Write("\n") : absl::OkStatus();
}

absl::Status GenerationView::ShowDelta(const v1::GenerateDelta& delta) {
  Choice& choice = choices_[delta.choice()];
  absl::StrAppend(&choice.unwritten, delta.text());
  choice.logprobs.mutable_logprobs()->MergeFrom(delta.logprobs());
  return WriteCurrent();
}

absl::Status GenerationView::WriteCurrent() {
  SCANSERVE_RETURN_IF_ERROR(EndPrompt());
  while (true) {
    const auto found = choices_.find(current_);
    if (found == choices_.end()) return absl::OkStatus();
    Choice& choice = found->second;
    if (started_.sampling().n() > 1 && !std::exchange(current_titled_, true)) {
      SCANSERVE_RETURN_IF_ERROR(session_.output.Write(absl::StrCat(
          Bold(absl::StrCat("choice ", current_), session_.terminal.output_colour), "\n")));
    }
    SCANSERVE_RETURN_IF_ERROR(WriteText(std::exchange(choice.unwritten, "")));
    if (!choice.done) return absl::OkStatus();
    SCANSERVE_RETURN_IF_ERROR(EndCurrent(choice));
    ++current_;
    current_titled_ = false;
  }
}

absl::Status GenerationView::EndCurrent(const Choice& choice) {
  SCANSERVE_RETURN_IF_ERROR(EndLine());
  if (choice.logprobs.logprobs_size() == 0) return absl::OkStatus();
  return session_.output.Write(LogprobTable(choice.logprobs));
}

std::string GenerationView::LogprobTable(const v1::GenerateDelta& delta) const {
  Table table(
      {{"id", Alignment::kRight}, {"token"}, {"logprob", Alignment::kRight}, {"alternatives"}});
  for (const v1::TokenLogprob& token : delta.logprobs()) {
    table.AddRow({absl::StrCat(token.token_id()), Escaped(token.token()),
                  absl::StrFormat("%.3f", token.logprob()), AlternativesText(token)});
  }
  return table.Layout(session_.terminal.output_columns, session_.terminal.output_colour);
}

std::string GenerationView::PromptTable() const {
  Table table({{"position", Alignment::kRight},
               {"id", Alignment::kRight},
               {"token"},
               {"logprob", Alignment::kRight},
               {"class"},
               {"alternatives"}});
  for (const v1::PromptLogprob& scored : prompt_.logprobs()) {
    const v1::TokenLogprob& token = scored.logprob();
    table.AddRow({absl::StrCat(scored.position()), absl::StrCat(token.token_id()),
                  Escaped(token.token()), absl::StrFormat("%.3f", token.logprob()),
                  EnumText(scored.target_class()), AlternativesText(token)});
  }
  return table.Layout(session_.terminal.output_columns, session_.terminal.output_colour);
}

Fields GenerationView::Statistics() const {
  const absl::Duration total = FromProto(summary_.total_time());
  const absl::Duration first = FromProto(summary_.time_to_first_token());
  const double decode_seconds = absl::ToDoubleSeconds(total - first);
  Fields fields = {
      {"order", ScanSettingText(started_.in_force().scan())},
      {"adapter", AdapterText(started_.in_force())},
      {"numerics", started_.in_force().numerics_id()},
      {"seed", absl::StrCat(started_.sampling().seed())},
      {"prompt", absl::StrCat(WithThousands(summary_.prompt_tokens()), " tokens, ",
                              WithThousands(summary_.cached_tokens()), " of them cached")},
      {"generated", absl::StrCat(WithThousands(summary_.generated_tokens()), " tokens")},
      {"queued", DurationText(FromProto(summary_.queue_time()))},
      {"first token", DurationText(first)},
      {"total", DurationText(total)},
  };
  if (decode_seconds > 0 && summary_.generated_tokens() > 1) {
    const double rate = static_cast<double>(summary_.generated_tokens() - 1) / decode_seconds;
    fields.emplace_back("decoding", absl::StrFormat("%.0f tokens/s", rate));
  }
  for (const auto& [index, choice] : choices_) {
    fields.emplace_back(choices_.size() > 1 ? absl::StrCat("ended ", index) : "ended",
                        ReasonText(choice.finished));
  }
  if (started_.session_tokens() > 0) {
    fields.emplace_back(
        "resumed", absl::StrCat("after ", WithThousands(started_.session_tokens()), " tokens, ",
                                started_.pending_tokens(), " more were pending"));
  }
  if (session_bytes_ > 0) {
    fields.emplace_back("session", absl::StrCat(WithThousands(session_bytes_), " bytes"));
  }
  fields.emplace_back("request id", started_.request_id());
  return fields;
}

}  // namespace scanserve::client
