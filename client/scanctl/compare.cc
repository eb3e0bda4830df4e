// scanctl compare
#include "client/compare.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/progress_bar.h"
#include "client/scanctl/commands.h"
#include "client/scanctl/compare_flags.h"
#include "client/scanctl/compare_page.h"
#include "client/scanctl/compare_report.h"
#include "client/scanctl/position_profile.h"
#include "client/terminal.h"
#include "client/utf8.h"
#include "core/base/file.h"

namespace scanserve::client {
namespace {

constexpr size_t kContinuations = 4;
constexpr size_t kPromptBytes = 400;
constexpr int32_t kContinuationTokens = 48;

// Takes the events of one call.
class CompareView {
 public:
  CompareView(Session& session, const v1::CompareSettings& settings, int64_t documents)
      : session_(session),
        bar_(session.terminal, "comparing", "documents", documents),
        profile_(std::max<int64_t>(1, settings.prefix_tokens())) {
    comparison_.settings = settings;
    comparison_.documents = documents;
  }

  absl::Status Take(const v1::CompareResponse& response) {
    if (response.has_started()) comparison_.started = response.started();
    if (response.has_totals()) comparison_.totals = response.totals();
    if (response.has_tokens()) profile_.Add(response.tokens());
    if (response.has_document()) bar_.Update(response.document().index() + 1);
    if (!session_.json || response.has_tokens()) return absl::OkStatus();
    const auto event = EventToJson(response);
    if (!event) return absl::OkStatus();
    bar_.Clear();
    return session_.output.Write(JsonLine(*event));
  }

  const Comparison& comparison() const { return comparison_; }
  const PositionProfile& profile() const { return profile_; }
  ProgressBar& bar() { return bar_; }

 private:
  Session& session_;
  ProgressBar bar_;
  Comparison comparison_;
  PositionProfile profile_;
};

// The beginning of a text, cut between words, or between characters where there are none.
std::string Beginning(const std::string& text) {
  if (text.size() <= kPromptBytes) return text;
  size_t end = text.rfind(' ', kPromptBytes);
  if (end == std::string::npos || end == 0) end = kPromptBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end);
}

absl::StatusOr<std::string> Continue(Connection& connection, const v1::CompareArm& arm,
                                     const std::string& prompt, bool replace_invalid) {
  v1::GenerateRequest request;
  request.mutable_prompt()->set_text_bytes(prompt);
  request.mutable_prompt()->set_replace_invalid(replace_invalid);
  *request.mutable_scan() = arm.scan();
  *request.mutable_adapter() = arm.adapter();
  request.mutable_sampling()->set_temperature(0);
  request.mutable_sampling()->set_max_new_tokens(kContinuationTokens);
  v1::InferenceService::Stub stub(connection.channel());
  Call call(connection);
  const auto reader = stub.Generate(call.context(), request);
  std::string text;
  v1::GenerateResponse response;
  while (reader->Read(&response)) text += response.delta().text();
  SCANSERVE_RETURN_IF_ERROR(connection.FromGrpc(reader->Finish()));
  return text;
}

absl::StatusOr<std::vector<PairedContinuation>> Continuations(
    Connection& connection, const CompareFlags& flags, const v1::CompareSettings& settings,
    const std::vector<CorpusDocument>& documents) {
  std::vector<PairedContinuation> pairs;
  for (const CorpusDocument& document : documents) {
    if (pairs.size() == kContinuations) break;
    PairedContinuation pair;
    pair.document_id = document.id;
    pair.prompt = Beginning(document.text);
    SCANSERVE_ASSIGN_OR_RETURN(
        pair.a, Continue(connection, settings.a(), pair.prompt, flags.replace_invalid));
    SCANSERVE_ASSIGN_OR_RETURN(
        pair.b, Continue(connection, settings.b(), pair.prompt, flags.replace_invalid));
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

absl::Status WriteReport(Session& session, const CompareFlags& flags, CompareView& view,
                         const std::vector<CorpusDocument>& documents) {
  view.bar().Restart("continuing", "prompts", 0);
  SCANSERVE_ASSIGN_OR_RETURN(
      const auto pairs,
      Continuations(session.connection, flags, view.comparison().settings, documents));
  return base::WriteFileDurably(flags.report,
                                ComparePage(view.comparison(), view.profile().Ranges(), pairs));
}

absl::Status CompareArms(Session& session, const CompareFlags& flags) {
  SCANSERVE_ASSIGN_OR_RETURN(
      auto reader, DocumentReader::Open(flags.corpus, *ParseDocumentSplit(flags.documents)));
  SCANSERVE_ASSIGN_OR_RETURN(std::vector<CorpusDocument> documents, ReadCorpus(*reader));
  ShuffleDocuments(flags.seed, documents);
  const v1::CompareSettings settings = CompareSettingsOf(flags);
  CompareView view(session, settings, static_cast<int64_t>(documents.size()));
  SCANSERVE_RETURN_IF_ERROR(
      Compare(session.connection, settings, documents, flags.replace_invalid,
              [&view](const v1::CompareResponse& response) { return view.Take(response); }));
  if (!flags.report.empty()) {
    SCANSERVE_RETURN_IF_ERROR(WriteReport(session, flags, view, documents));
  }
  view.bar().Clear();
  if (!session.json) {
    SCANSERVE_RETURN_IF_ERROR(session.output.Write(CompareReport(
        view.comparison(), session.terminal.output_columns, session.terminal.output_colour)));
  }
  if (flags.expect.empty() || Shows(view.comparison().totals.estimate(), flags.expect)) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("expected B to be ", flags.expect, ": ", VerdictSentence(view.comparison())));
}

}  // namespace

void AddCompare(Program& program) {
  auto flags = std::make_shared<CompareFlags>();
  CLI::App& app =
      *program.app.add_subcommand("compare", "Say which of two settings predicts better");
  AddCompareFlags(app, *flags);
  app.footer(
      "Scores the same documents under A and B, in a random order, until a verdict is\n"
      "reached or all are done. Differences are B - A: below 0 B is better. Documents\n"
      "no longer than the prefix are not scored. With --json: one line for each event.\n\n"
      "Exit status: 0 when the comparison was made, whatever it says; 1 when it failed,\n"
      "or does not show what --expect names; 2 for a wrong command line.\n\n"
      "Example:\n"
      "  scanctl compare --a identity --b wiki --corpus test.txt --report compare.html");
  app.callback([flags, &program] {
    program.command = [flags](Session& session) { return CompareArms(session, *flags); };
  });
}

}  // namespace scanserve::client
