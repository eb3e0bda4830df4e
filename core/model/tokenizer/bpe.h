// Byte pair encoding: joins the bytes of one word into tokens, the pair of lowest rank first and,
// among equals, the leftmost (Sennrich et al. 2016, over GPT-2's byte alphabet). Immutable and
// thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "core/model/tokenizer/json_node.h"

namespace scanserve::model {

class BpeModel {
 public:
  using Vocabulary = absl::flat_hash_map<std::string, int32_t>;

  // Memory that one thread's calls of Append share.
  class Workspace {
    friend class BpeModel;
    struct Symbol {
      int32_t id;  // kGone once it was joined to the symbol before it
      int32_t previous;
      int32_t next;
    };
    // A pair that can be joined: its rank above the place of its left symbol, so that the smallest
    // is next.
    using Candidate = uint64_t;
    std::vector<Symbol> symbols;
    std::vector<Candidate> first;  // those of the bytes themselves, sorted
    std::vector<Candidate> heap;   // those with a joined symbol
  };

  // Reads the object `node` ("model" of tokenizer.json). INVALID_ARGUMENT for another type than
  // BPE, settings that byte-level BPE has no use for, bad or repeated ids, and merges of unknown
  // tokens.
  static absl::StatusOr<BpeModel> FromJson(const JsonNode& node);

  // Appends the ids of one word, given as its bytes. Time n log n. A byte that the vocabulary lacks
  // gives the unknown token, or nothing when there is none, as in the reference library.
  void Append(std::string_view word, Workspace* workspace, std::vector<int32_t>* ids) const;

  // Tokens as tokenizer.json writes them (in the byte-level alphabet) and their ids.
  const Vocabulary& vocabulary() const { return vocabulary_; }
  std::optional<int32_t> IdOf(std::string_view token) const;

  // The fields that change what this does.
  nlohmann::json Canonical() const;

 private:
  struct Merge {
    uint32_t rank;
    int32_t joined;
  };

  BpeModel() = default;
  absl::Status ReadVocabulary(const JsonNode& node);
  absl::Status ReadMerges(const JsonNode& node);
  absl::Status ReadUnknownToken(const JsonNode& node);
  absl::StatusOr<int32_t> MergePart(const JsonNode& merge, std::string_view token) const;
  void IndexBytes();
  void FillSymbols(std::string_view word, Workspace* workspace) const;
  std::optional<uint64_t> CandidateAt(int32_t left, const Workspace& workspace) const;
  void Join(Workspace* workspace) const;

  Vocabulary vocabulary_;
  absl::flat_hash_map<uint64_t, Merge> merges_;  // by the ids of the pair
  std::array<int32_t, 256> id_of_byte_;
  absl::flat_hash_map<std::string, int32_t> id_of_word_;  // filled when `ignore_merges_`
  std::optional<int32_t> unknown_id_;
  bool fuse_unknown_ = false;
  bool ignore_merges_ = false;  // a word that is a token is that token, whatever the merges say
};

}  // namespace scanserve::model
