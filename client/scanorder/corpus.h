// The reference corpus rule: which lines of a text file hidden states are extracted from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace scanserve::client {

struct CorpusRule {
  // Take this many lines, the first ones that are long enough.
  int64_t max_documents = 10;
  // Characters (code points) that a line has at least, once stripped.
  int64_t min_characters = 10;
};

struct Corpus {
  std::vector<std::string> documents;
  std::string digest;  // SHA-256 of the whole file, 64 hex digits
};

// A line that would be taken may have this many bytes: what the server accepts as a prompt.
inline constexpr size_t kMaxCorpusLineBytes = 1 << 20;

// Lines end as Python's text files end them (\n, \r\n, \r) and are stripped as str.strip does.
// Holds one line and the documents, however large the file. INVALID_ARGUMENT, naming the line, for
// one that is not UTF-8 or too long, and when no line is long enough; NOT_FOUND or UNAVAILABLE when
// the file cannot be read.
absl::StatusOr<Corpus> ReadCorpus(const std::string& path, const CorpusRule& rule);

}  // namespace scanserve::client
