#include "client/compare.h"

#include <random>
#include <utility>

#include "absl/strings/str_cat.h"

namespace scanserve::client {
namespace {

// Longer documents travel in parts.
constexpr size_t kPartBytes = 256 << 10;

// Uniform in 0..bound-1, without the bias of a remainder.
uint64_t Below(uint64_t bound, std::mt19937_64& generator) {
  const uint64_t limit = std::mt19937_64::max() - std::mt19937_64::max() % bound;
  uint64_t drawn = generator();
  while (drawn >= limit) drawn = generator();
  return drawn % bound;
}

}  // namespace

absl::StatusOr<std::vector<CorpusDocument>> ReadCorpus(DocumentReader& reader) {
  std::vector<CorpusDocument> documents;
  bool begins = true;
  while (true) {
    SCANSERVE_ASSIGN_OR_RETURN(auto piece, reader.Next());
    if (!piece) return documents;
    if (begins) documents.push_back({absl::StrCat(documents.size() + 1), ""});
    documents.back().text += piece->text;
    begins = piece->last;
  }
}

void ShuffleDocuments(uint64_t seed, std::vector<CorpusDocument>& documents) {
  std::mt19937_64 generator(seed);
  for (size_t i = documents.size(); i > 1; --i) {
    std::swap(documents[i - 1], documents[Below(i, generator)]);
  }
}

absl::Status Compare(Connection& connection, const v1::CompareSettings& settings,
                     const std::vector<CorpusDocument>& documents, bool replace_invalid,
                     const CompareHandler& handler) {
  v1::CompareRequest first;
  *first.mutable_settings() = settings;
  size_t document = 0;
  size_t begin = 0;
  const auto source = [&]() -> absl::StatusOr<std::optional<v1::DocumentPart>> {
    if (document == documents.size()) return std::nullopt;
    const std::string& text = documents[document].text;
    v1::DocumentPart part;
    part.set_document_id(documents[document].id);
    part.mutable_content()->set_text_bytes(text.substr(begin, kPartBytes));
    part.mutable_content()->set_replace_invalid(replace_invalid);
    begin += kPartBytes;
    part.set_more(begin < text.size());
    if (!part.more()) {
      ++document;
      begin = 0;
    }
    return part;
  };
  return ExchangeDocuments<v1::CompareRequest, v1::CompareResponse>(
      connection,
      [](v1::InferenceService::Stub& stub, grpc::ClientContext* context) {
        return stub.Compare(context);
      },
      first, source, handler);
}

}  // namespace scanserve::client
