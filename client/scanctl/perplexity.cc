// scanctl perplexity
#include "client/perplexity.h"

#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "client/document_parts.h"
#include "client/progress_bar.h"
#include "client/scanctl/commands.h"
#include "client/scanctl/perplexity_report.h"
#include "client/scanctl/scan_flags.h"
#include "core/base/mutex.h"
#include "scanserve/v1/monitoring_service.grpc.pb.h"

namespace scanserve::client {
namespace {

struct PerplexityFlags {
  std::string file;
  std::string documents = "blank-line";
  bool join_with_eos = false;
  bool replace_invalid = false;
  std::string mode = "full-window";
  int64_t window = 0;
  int64_t stride = 0;
  int64_t prefix = 0;
  ScanFlags scan;
  std::string priority;
  std::string per_token;
  bool each = false;
};

v1::PerplexitySettings SettingsOf(const PerplexityFlags& flags) {
  v1::PerplexitySettings settings;
  settings.set_mode(*ParseEnum<v1::PerplexityMode>(flags.mode));
  settings.set_window_tokens(flags.window);
  settings.set_stride_tokens(flags.stride);
  settings.set_prefix_tokens(flags.prefix);
  settings.set_per_token(!flags.per_token.empty());
  *settings.mutable_scan() = ScanChoiceOf(flags.scan);
  // Sliding windows are read naturally, whatever is active.
  if (settings.mode() == v1::PERPLEXITY_MODE_SLIDING && flags.scan.order.empty()) {
    settings.mutable_scan()->mutable_identity();
  }
  *settings.mutable_adapter() = AdapterChoiceOf(flags.scan);
  settings.set_priority(PriorityOf(flags.priority));
  return settings;
}

absl::StatusOr<int32_t> EndOfTextToken(Connection& connection) {
  SCANSERVE_ASSIGN_OR_RETURN(const auto info,
                             UnaryCall(connection, &v1::MonitoringService::Stub::GetServerInfo,
                                       v1::GetServerInfoRequest()));
  if (info.model().eos_token_ids().empty()) {
    return absl::FailedPreconditionError(
        "--join-with-eos: the model served has no end-of-text token");
  }
  return info.model().eos_token_ids(0);
}

// How far into the file the scored documents reach. Thread-safe: one thread sends, one receives.
class ScoredBytes {
 public:
  explicit ScoredBytes(ProgressBar& bar) : bar_(bar) {}

  void DocumentSent(int64_t end_byte) {
    base::MutexLock lock(mutex_);
    ends_.push_back(end_byte);
  }
  void DocumentScored() {
    base::MutexLock lock(mutex_);
    if (ends_.empty()) return;
    bar_.Update(ends_.front());
    ends_.pop_front();
  }

 private:
  ProgressBar& bar_;
  base::Mutex mutex_;
  // Of documents under way, which the server bounds.
  std::deque<int64_t> ends_ ABSL_GUARDED_BY(mutex_);
};

DocumentPartSource SeparateSource(std::unique_ptr<DocumentReader> reader,
                                  const PerplexityFlags& flags, ScoredBytes& progress) {
  auto documents = std::make_shared<SeparateDocuments>(std::move(reader), flags.replace_invalid);
  return [documents, &progress]() -> absl::StatusOr<std::optional<v1::DocumentPart>> {
    SCANSERVE_ASSIGN_OR_RETURN(auto part, documents->Next());
    if (part && !part->more()) progress.DocumentSent(documents->bytes_cut());
    return part;
  };
}

// One document, whose score comes at the very end: tokens sent are all that can be shown.
absl::StatusOr<DocumentPartSource> JoinedSource(std::unique_ptr<DocumentReader> reader,
                                                const PerplexityFlags& flags,
                                                Connection& connection, ProgressBar& bar) {
  SCANSERVE_ASSIGN_OR_RETURN(const int32_t eos, EndOfTextToken(connection));
  bar.Restart("sending", "tokens", 0);
  auto documents =
      std::make_shared<JoinedDocuments>(connection, std::move(reader), flags.replace_invalid, eos);
  return [documents, &bar]() -> absl::StatusOr<std::optional<v1::DocumentPart>> {
    SCANSERVE_ASSIGN_OR_RETURN(auto part, documents->Next());
    if (!part) bar.Restart("scoring", "tokens", 0);
    bar.Update(documents->tokens_sent());
    return part;
  };
}

// Takes the events of one call.
class ResultView {
 public:
  ResultView(Session& session, const PerplexityFlags& flags, TokenScoreFile* tokens,
             ProgressBar& bar, ScoredBytes& progress)
      : session_(session), flags_(flags), tokens_(tokens), bar_(bar), progress_(progress) {}

  absl::Status Show(const v1::ComputePerplexityResponse& response) {
    if (response.has_tokens()) {
      return tokens_ == nullptr ? absl::OkStatus() : tokens_->Append(response.tokens());
    }
    if (response.has_started()) in_force_ = response.started().in_force();
    if (response.has_totals()) totals_ = response.totals();
    if (response.has_document() && !flags_.join_with_eos) progress_.DocumentScored();
    if (session_.json) {
      const auto event = EventToJson(response);
      return event ? Write(JsonLine(*event)) : absl::OkStatus();
    }
    if (response.has_document() && flags_.each) {
      const std::string titles = std::exchange(titled_, true) ? "" : DocumentLineTitles();
      return Write(titles + DocumentLine(response.document()));
    }
    return absl::OkStatus();
  }

  std::string Report(const v1::PerplexitySettings& settings) const {
    return (titled_ ? "\n" : "") + PerplexityReport(settings, in_force_, totals_,
                                                    session_.terminal.output_columns,
                                                    session_.terminal.output_colour);
  }

 private:
  absl::Status Write(const std::string& text) {
    bar_.Clear();
    return session_.output.Write(text);
  }

  Session& session_;
  const PerplexityFlags& flags_;
  TokenScoreFile* const tokens_;
  ProgressBar& bar_;
  ScoredBytes& progress_;
  v1::InForce in_force_;
  v1::PerplexityTotals totals_;
  bool titled_ = false;
};

absl::Status Perplexity(Session& session, const PerplexityFlags& flags) {
  SCANSERVE_ASSIGN_OR_RETURN(
      auto reader, DocumentReader::Open(flags.file, *ParseDocumentSplit(flags.documents)));
  std::unique_ptr<TokenScoreFile> tokens;
  if (!flags.per_token.empty()) {
    SCANSERVE_ASSIGN_OR_RETURN(tokens, TokenScoreFile::Create(flags.per_token));
  }
  ProgressBar bar(session.terminal, "scoring", "bytes", reader->file_bytes());
  ScoredBytes progress(bar);
  DocumentPartSource source;
  if (flags.join_with_eos) {
    SCANSERVE_ASSIGN_OR_RETURN(source,
                               JoinedSource(std::move(reader), flags, session.connection, bar));
  } else {
    source = SeparateSource(std::move(reader), flags, progress);
  }
  const v1::PerplexitySettings settings = SettingsOf(flags);
  ResultView view(session, flags, tokens.get(), bar, progress);
  SCANSERVE_RETURN_IF_ERROR(ComputePerplexity(
      session.connection, settings, source,
      [&view](const v1::ComputePerplexityResponse& response) { return view.Show(response); }));
  if (tokens != nullptr) SCANSERVE_RETURN_IF_ERROR(tokens->Finish());
  bar.Clear();
  return session.json ? absl::OkStatus() : session.output.Write(view.Report(settings));
}

}  // namespace

void AddPerplexity(Program& program) {
  auto flags = std::make_shared<PerplexityFlags>();
  CLI::App& app = *program.app.add_subcommand("perplexity", "Score the documents of a text file");
  app.add_option("file", flags->file, "Text file; - is standard input")
      ->type_name("FILE")
      ->required();
  app.add_option("--documents", flags->documents, "Cut at: blank-line, line, file")
      ->type_name("SPLIT")
      ->check(CLI::IsMember({"blank-line", "line", "file"}).description(""))
      ->capture_default_str();
  app.add_flag("--join-with-eos", flags->join_with_eos, "One stream, end-of-text between them");
  app.add_option("--mode", flags->mode, "Or continuation, sliding")
      ->type_name("MODE")
      ->check(NamesEnum<v1::PerplexityMode>())
      ->capture_default_str();
  app.add_option("--window", flags->window, "Tokens of a window")->type_name("N");
  app.add_option("--stride", flags->stride, "Between sliding windows")->type_name("N");
  app.add_option("--prefix", flags->prefix, "Prompt pass of continuation")->type_name("N");
  AddScanFlags(app, flags->scan);
  AddPriorityFlag(app, flags->priority, "low");
  app.add_option("--per-token", flags->per_token, "Write each token's score, JSON lines")
      ->type_name("FILE");
  app.add_flag("--each", flags->each, "Show each document's score");
  app.add_flag("--replace-invalid", flags->replace_invalid, "Take U+FFFD for what is not UTF-8");
  app.footer(
      "--join-with-eos scores one text: an end-of-text token before each document and\n"
      "at the end. Documents are sent as they are read. With --json: one line for each\n"
      "event.\n\n"
      "Example:\n"
      "  scanctl perplexity test.txt --join-with-eos --mode sliding \\\n"
      "    --window 512 --stride 256");
  app.callback([flags, &program] {
    program.command = [flags](Session& session) { return Perplexity(session, *flags); };
  });
}

}  // namespace scanserve::client
