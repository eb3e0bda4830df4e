#include "client/scanctl/perplexity_report.h"

#include <cerrno>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/message_json.h"
#include "client/number_text.h"
#include "client/scan_choice.h"
#include "client/table.h"

namespace scanserve::client {
namespace {

std::string PerplexityText(const v1::Score& score) {
  if (score.tokens() == 0) return "-";
  return absl::StrFormat("%.2f", std::exp(score.nll() / static_cast<double>(score.tokens())));
}

void AddScore(Table& table, const std::string& name, const v1::Score& score) {
  const std::string mean =
      score.tokens() == 0
          ? "-"
          : absl::StrFormat("%.4f", score.nll() / static_cast<double>(score.tokens()));
  table.AddRow({name, WithThousands(score.tokens()), absl::StrFormat("%.1f", score.nll()), mean,
                PerplexityText(score)});
}

std::string ModeText(const v1::PerplexitySettings& settings) {
  std::string text = EnumText(settings.mode());
  if (settings.window_tokens() > 0) absl::StrAppend(&text, ", window ", settings.window_tokens());
  if (settings.stride_tokens() > 0) absl::StrAppend(&text, ", stride ", settings.stride_tokens());
  if (settings.prefix_tokens() > 0) absl::StrAppend(&text, ", prefix ", settings.prefix_tokens());
  return text;
}

std::string TokensText(int64_t tokens, int64_t cached_tokens) {
  if (cached_tokens == 0) return WithThousands(tokens);
  return absl::StrCat(WithThousands(tokens), ", ", WithThousands(cached_tokens), " of them cached");
}

std::string Remark(const v1::ClassScores& scores) {
  if (scores.all().tokens() == 0) return "Nothing was scored.\n";
  if (scores.causal().tokens() == scores.all().tokens()) {
    return "All scored tokens are causal: nothing after the predicting position was read.\n";
  }
  return "leaked: the target itself was read before it was predicted; lookahead: later\n"
         "text was. Only the causal row is leak-free and says how well the model predicts.\n";
}

absl::Status FileFailure(const std::string& path) {
  return absl::UnavailableError(absl::StrCat("cannot write ", path, ": ", std::strerror(errno)));
}

}  // namespace

std::string PerplexityReport(const v1::PerplexitySettings& settings, const v1::InForce& in_force,
                             const v1::PerplexityTotals& totals, int columns, bool colour) {
  Fields fields = {{"mode", ModeText(settings)},
                   {"order", ScanSettingText(in_force.scan())},
                   {"adapter", AdapterText(in_force)},
                   {"documents", WithThousands(totals.documents())},
                   {"tokens", TokensText(totals.document_tokens(), totals.cached_tokens())},
                   {"time", DurationText(FromProto(totals.total_time()))}};
  if (totals.dropped_documents() > 0) {
    fields.emplace_back("dropped", WithThousands(totals.dropped_documents()));
  }
  Table table({{"class"},
               {"tokens", Alignment::kRight},
               {"nats", Alignment::kRight},
               {"nats/token", Alignment::kRight},
               {"perplexity", Alignment::kRight}});
  const v1::ClassScores& scores = totals.scores();
  AddScore(table, "all", scores.all());
  AddScore(table, "leaked", scores.leaked());
  AddScore(table, "lookahead", scores.lookahead());
  AddScore(table, "causal", scores.causal());
  if (settings.mode() == v1::PERPLEXITY_MODE_CONTINUATION) {
    AddScore(table, "first", totals.first_target());
  }
  const Fields summary = {
      {"perplexity", PerplexityText(scores.all())},
      {"bits per byte",
       scores.scored_bytes() == 0 ? "-" : absl::StrFormat("%.4f", scores.bits_per_byte())}};
  return absl::StrCat(LayoutFields(fields, colour), "\n", table.Layout(columns, colour), "\n",
                      LayoutFields(summary, colour), "\n", Remark(scores));
}

std::string DocumentLineTitles() {
  return absl::StrFormat("%-16s  %10s  %10s  %10s  %10s\n", "document", "tokens", "scored",
                         "causal", "perplexity");
}

std::string DocumentLine(const v1::DocumentScore& document) {
  const v1::ClassScores& scores = document.scores();
  const std::string end = document.unscored_reason().empty()
                              ? absl::StrFormat("%10s", PerplexityText(scores.all()))
                              : WithoutControls(document.unscored_reason());
  return absl::StrFormat("%-16s  %10d  %10d  %10d  %s\n", Escaped(document.document_id()),
                         document.document_tokens(), scores.all().tokens(),
                         scores.causal().tokens(), end);
}

absl::StatusOr<std::unique_ptr<TokenScoreFile>> TokenScoreFile::Create(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return FileFailure(path);
  return std::unique_ptr<TokenScoreFile>(new TokenScoreFile(path, file));
}

TokenScoreFile::~TokenScoreFile() {
  if (file_ != nullptr) std::fclose(file_);
}

absl::Status TokenScoreFile::Append(const v1::TokenScores& scores) {
  const int count = scores.positions_size();
  if (scores.token_ids_size() != count || scores.nlls_size() != count ||
      scores.classes_size() != count) {
    return absl::DataLossError("the server sent token scores in lists of different lengths");
  }
  for (int i = 0; i < count; ++i) {
    const std::string line = JsonLine({{"document_id", scores.document_id()},
                                       {"index", scores.index()},
                                       {"position", scores.positions(i)},
                                       {"token_id", scores.token_ids(i)},
                                       {"nll", scores.nlls(i)},
                                       {"class", EnumText(scores.classes(i))}});
    if (std::fwrite(line.data(), 1, line.size(), file_) != line.size()) return FileFailure(path_);
  }
  return absl::OkStatus();
}

absl::Status TokenScoreFile::Finish() {
  return std::fclose(std::exchange(file_, nullptr)) == 0 ? absl::OkStatus() : FileFailure(path_);
}

}  // namespace scanserve::client
