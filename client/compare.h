// Compares two arms on documents that are in memory, in a seeded random order.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "client/document_exchange.h"
#include "client/document_reader.h"

namespace scanserve::client {

// Called on the thread of the caller.
using CompareHandler = std::function<absl::Status(const v1::CompareResponse&)>;

struct CorpusDocument {
  std::string id;  // its number in the file, from 1
  std::string text;
};

// All documents of a file. Errors of DocumentReader.
absl::StatusOr<std::vector<CorpusDocument>> ReadCorpus(DocumentReader& reader);

// Puts `documents` into an order that depends on `seed` alone: Fisher and Yates's shuffle with
// std::mt19937_64, the same with every compiler.
void ShuffleDocuments(uint64_t seed, std::vector<CorpusDocument>& documents);

// Sends `documents` as they stand. Runs the call to its end; an error of the handler ends it.
absl::Status Compare(Connection& connection, const v1::CompareSettings& settings,
                     const std::vector<CorpusDocument>& documents, bool replace_invalid,
                     const CompareHandler& handler);

}  // namespace scanserve::client
