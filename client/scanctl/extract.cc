// scanctl extract
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/hidden_states.h"
#include "client/npy_stream.h"
#include "client/number_text.h"
#include "client/progress_bar.h"
#include "client/scan_choice.h"
#include "client/scanctl/commands.h"
#include "client/scanctl/prompt_flags.h"
#include "client/scanctl/scan_flags.h"
#include "client/table.h"

namespace scanserve::client {
namespace {

struct ExtractFlags {
  PromptFlags prompt;
  std::string out;
  std::vector<int32_t> layers;
  std::string kind = "mixer-input";
  std::string range;
  std::string type = "float32";
  int64_t max_tokens = 0;
  std::string priority;
  ScanFlags scan;
};

using Range = std::pair<int64_t, int64_t>;

absl::StatusOr<Range> ParseRange(absl::string_view text) {
  const std::pair<absl::string_view, absl::string_view> ends =
      absl::StrSplit(text, absl::MaxSplits(':', 1));
  Range range = {0, 0};
  if (!absl::StrContains(text, ':') ||
      (!ends.first.empty() && !absl::SimpleAtoi(ends.first, &range.first)) ||
      (!ends.second.empty() && !absl::SimpleAtoi(ends.second, &range.second)) || range.first < 0 ||
      range.second < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\": a range is BEGIN:END, e.g. 0:64, 64: or :64"));
  }
  return range;
}

absl::StatusOr<v1::ExtractHiddenStatesRequest> RequestOf(const ExtractFlags& flags) {
  v1::ExtractHiddenStatesRequest request;
  SCANSERVE_ASSIGN_OR_RETURN(*request.mutable_prompt(), ReadPrompt(flags.prompt, false));
  *request.mutable_scan() = ScanChoiceOf(flags.scan);
  *request.mutable_adapter() = AdapterChoiceOf(flags.scan);
  request.set_kind(*ParseEnum<v1::HiddenStateKind>(flags.kind));
  request.set_type(*ParseEnum<v1::HiddenStateType>(flags.type));
  request.mutable_layers()->Add(flags.layers.begin(), flags.layers.end());
  if (!flags.range.empty()) {
    const Range range = *ParseRange(flags.range);
    request.set_begin_position(range.first);
    request.set_end_position(range.second);
  }
  request.set_max_prompt_tokens(flags.max_tokens);
  request.set_priority(PriorityOf(flags.priority));
  return request;
}

// One matrix when it is of one layer, else a matrix for each layer.
std::vector<int64_t> ShapeOf(const v1::ExtractionStarted& started) {
  if (started.layers_size() <= 1) return {started.rows(), started.hidden_size()};
  return {started.layers_size(), started.rows(), started.hidden_size()};
}

absl::Status Report(Session& session, const ExtractFlags& flags,
                    const v1::ExtractionStarted& started) {
  const std::vector<int64_t> shape = ShapeOf(started);
  if (session.json) {
    Json json = MessageToJson(started);
    json["path"] = flags.out;
    json["shape"] = shape;
    json["dtype"] = "float32";
    return WriteJson(session, json);
  }
  const Fields fields = {
      {"written", flags.out},
      {"shape", absl::StrCat("[", absl::StrJoin(shape, ", "), "] float32")},
      {"states", EnumText(started.kind())},
      {"layers", started.layers().empty() ? "-" : absl::StrJoin(started.layers(), ",")},
      {"prompt", absl::StrCat(WithThousands(started.prompt_tokens()), " tokens, ",
                              WithThousands(started.cached_tokens()), " of them cached")},
      {"order", ScanSettingText(started.in_force().scan())},
      {"adapter", AdapterText(started.in_force())}};
  return session.output.Write(LayoutFields(fields, session.terminal.output_colour));
}

absl::Status Extract(Session& session, const ExtractFlags& flags) {
  SCANSERVE_ASSIGN_OR_RETURN(const auto request, RequestOf(flags));
  ProgressBar bar(session.terminal, "extracting", "bytes", 0);
  v1::ExtractionStarted started;
  std::unique_ptr<NpyStream> file;
  int64_t received_bytes = 0;
  HiddenStatesSink sink;
  sink.on_started = [&](const v1::ExtractionStarted& announced) -> absl::Status {
    started = announced;
    int64_t bytes = sizeof(float);
    for (const int64_t size : ShapeOf(started)) bytes *= size;
    bar.Restart("extracting", "bytes", bytes);
    SCANSERVE_ASSIGN_OR_RETURN(file, NpyStream::Create(flags.out, ShapeOf(started)));
    return absl::OkStatus();
  };
  sink.on_values = [&](absl::string_view values) {
    received_bytes += static_cast<int64_t>(values.size());
    bar.Update(received_bytes);
    return file->Append(values);
  };
  SCANSERVE_RETURN_IF_ERROR(ExtractHiddenStates(session.connection, request, sink));
  SCANSERVE_RETURN_IF_ERROR(file->Finish());
  bar.Clear();
  return Report(session, flags, started);
}

}  // namespace

void AddExtract(Program& program) {
  auto flags = std::make_shared<ExtractFlags>();
  CLI::App& app = *program.app.add_subcommand("extract", "Write hidden states of a text as .npy");
  CLI::Option* file = app.add_option("file", flags->prompt.file, "Text file; - is standard input")
                          ->type_name("FILE");
  app.add_option("--token-ids", flags->prompt.token_ids, "Token ids instead of a file")
      ->type_name("I,J,..")
      ->delimiter(',')
      ->excludes(file);
  app.add_option("--out", flags->out, "File to write")->type_name("FILE.npy")->required();
  app.add_option("--layers,--layer", flags->layers, "Layers, 0-based; the last one")
      ->type_name("I,J,..")
      ->delimiter(',');
  app.add_option("--kind", flags->kind, "Or layer-output, final-norm")
      ->type_name("KIND")
      ->check(NamesEnum<v1::HiddenStateKind>())
      ->capture_default_str();
  app.add_option("--range", flags->range, "Positions BEGIN <= i < END; all")
      ->type_name("BEGIN:END")
      ->check(ParsesWith(&ParseRange));
  app.add_option("--type", flags->type, "Or bfloat16: half the transfer")
      ->type_name("TYPE")
      ->check(NamesEnum<v1::HiddenStateType>())
      ->capture_default_str();
  app.add_option("--max-tokens", flags->max_tokens, "Cut the text to its first tokens")
      ->type_name("N");
  app.add_flag("--replace-invalid", flags->prompt.replace_invalid,
               "Take U+FFFD for what is not UTF-8");
  AddScanFlags(app, flags->scan);
  AddPriorityFlag(app, flags->priority, "low");
  app.footer(
      "One layer gives an array [rows, hidden], several give [layers, rows, hidden], in\n"
      "natural order. The file holds float32 in any case: NumPy has no bfloat16, and\n"
      "widening changes no value.\n\n"
      "Example:\n"
      "  scanctl extract article.txt --layer 11 --identity --out states.npy");
  app.callback([flags, &program] {
    program.command = [flags](Session& session) { return Extract(session, *flags); };
  });
}

}  // namespace scanserve::client
