#include "client/scanorder/corpus.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "client/utf8.h"
#include "core/base/sha256.h"
#include "core/base/status_macros.h"

namespace scanserve::client {
namespace {

// Takes the bytes of a file in any pieces and collects the documents.
class LineCollector {
 public:
  explicit LineCollector(const CorpusRule& rule) : rule_(rule) {}

  absl::Status Add(absl::string_view bytes) {
    for (const char byte : bytes) {
      if (complete()) return absl::OkStatus();
      const bool after_return = std::exchange(after_return_, byte == '\r');
      if (byte == '\n' && after_return) continue;
      if (byte == '\n' || byte == '\r') {
        SCANSERVE_RETURN_IF_ERROR(EndLine());
      } else if (line_.size() < kMaxCorpusLineBytes) {
        line_ += byte;
      } else {
        return absl::InvalidArgumentError(
            absl::StrCat("line ", number_, " is longer than ", kMaxCorpusLineBytes, " bytes"));
      }
    }
    return absl::OkStatus();
  }

  // Also at the file's end, which need not have a line break.
  absl::Status EndLine() {
    if (complete()) return absl::OkStatus();
    SCANSERVE_ASSIGN_OR_RETURN(const Stripped stripped, Strip(line_));
    if (stripped.characters >= rule_.min_characters && stripped.characters > 0) {
      documents_.emplace_back(stripped.text);
    }
    line_.clear();
    ++number_;
    return absl::OkStatus();
  }

  std::vector<std::string> TakeDocuments() { return std::move(documents_); }

 private:
  struct Stripped {
    absl::string_view text;
    int64_t characters = 0;
  };

  absl::StatusOr<Stripped> Strip(absl::string_view line) const {
    size_t begin = line.size();
    size_t end = 0;
    int64_t first = 0;  // number of the first and of the last character that is no space
    int64_t last = -1;
    int64_t number = 0;
    for (size_t offset = 0; offset < line.size(); ++number) {
      const Utf8Character next = DecodeUtf8(line.substr(offset));
      if (!next.valid) {
        return absl::InvalidArgumentError(
            absl::StrCat("line ", number_, " is not UTF-8 at its byte ", offset));
      }
      if (!IsPythonSpace(next.code_point)) {
        if (last < 0) {
          begin = offset;
          first = number;
        }
        last = number;
        end = offset + next.bytes;
      }
      offset += next.bytes;
    }
    if (last < 0) return Stripped();
    return Stripped{.text = line.substr(begin, end - begin), .characters = last - first + 1};
  }

  bool complete() const { return static_cast<int64_t>(documents_.size()) >= rule_.max_documents; }

  const CorpusRule rule_;
  std::vector<std::string> documents_;
  std::string line_;
  int64_t number_ = 1;
  bool after_return_ = false;
};

absl::Status ReadFailure(const std::string& path) {
  const std::string sentence = absl::StrCat("cannot read ", path, ": ", std::strerror(errno));
  return errno == ENOENT ? absl::NotFoundError(sentence) : absl::UnavailableError(sentence);
}

absl::Status NamingFile(const std::string& path, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

}  // namespace

absl::StatusOr<Corpus> ReadCorpus(const std::string& path, const CorpusRule& rule) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  if (file == nullptr) return ReadFailure(path);
  LineCollector lines(rule);
  base::Sha256 digest;
  std::array<char, 64 << 10> buffer;
  while (const size_t size = std::fread(buffer.data(), 1, buffer.size(), file.get())) {
    digest.Update({buffer.data(), size});
    SCANSERVE_RETURN_IF_ERROR(NamingFile(path, lines.Add({buffer.data(), size})));
  }
  if (std::ferror(file.get()) != 0) return ReadFailure(path);
  SCANSERVE_RETURN_IF_ERROR(NamingFile(path, lines.EndLine()));
  Corpus corpus = {.documents = lines.TakeDocuments(), .digest = digest.FinishHex()};
  if (corpus.documents.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": no line has ", rule.min_characters, " characters"));
  }
  return corpus;
}

}  // namespace scanserve::client
