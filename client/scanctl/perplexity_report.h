// What `scanctl perplexity` shows of its results.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/terminal.h"
#include "scanserve/v1/inference_service.pb.h"

namespace scanserve::client {

// The totals for people: what was in force, a table of the three classes, and what may be concluded
// from them. Fits into `columns`.
std::string PerplexityReport(const v1::PerplexitySettings& settings, const v1::InForce& in_force,
                             const v1::PerplexityTotals& totals, int columns, bool colour);

// One line for one document; the titles stand above the first one.
std::string DocumentLineTitles();
std::string DocumentLine(const v1::DocumentScore& document);

// The --per-token file: one JSON object for each scored token, one on a line. Belongs to one
// thread.
class TokenScoreFile {
 public:
  // UNAVAILABLE when it cannot be created.
  static absl::StatusOr<std::unique_ptr<TokenScoreFile>> Create(const std::string& path);
  ~TokenScoreFile();
  TokenScoreFile(const TokenScoreFile&) = delete;
  TokenScoreFile& operator=(const TokenScoreFile&) = delete;

  // DATA_LOSS when the lists of `scores` are of different lengths.
  absl::Status Append(const v1::TokenScores& scores);
  absl::Status Finish();

 private:
  TokenScoreFile(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}

  const std::string path_;
  std::FILE* file_;
};

}  // namespace scanserve::client
