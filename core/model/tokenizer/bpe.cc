#include "core/model/tokenizer/bpe.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/model/tokenizer/byte_level.h"

namespace scanserve::model {
namespace {

constexpr int32_t kGone = -1;
constexpr int32_t kNone = -1;
constexpr size_t kMostTokens = 1 << 19;

uint64_t PairKey(int32_t left, int32_t right) {
  return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
}

bool OccursInUtf8(int byte) { return byte != 0xC0 && byte != 0xC1 && byte <= 0xF4; }

absl::Status RefuseOtherKinds(const JsonNode& node) {
  SCANSERVE_ASSIGN_OR_RETURN(const std::string type, node.String("type", "BPE"));
  if (type != "BPE") {
    return node.Error(absl::StrCat("type ", Quoted(type), " is not supported, expected BPE"));
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    SCANSERVE_ASSIGN_OR_RETURN(const std::string affix, node.String(key, ""));
    if (!affix.empty()) {
      return node.Error(absl::StrCat(key, " ", Quoted(affix), " is not supported, expected none"));
    }
  }
  SCANSERVE_ASSIGN_OR_RETURN(const auto dropout, node.OptionalMember("dropout"));
  if (dropout.has_value() && dropout->value() != 0) {
    return dropout->Error("not supported, expected null or 0");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BpeModel> BpeModel::FromJson(const JsonNode& node) {
  SCANSERVE_RETURN_IF_ERROR(RefuseOtherKinds(node));
  BpeModel model;
  SCANSERVE_ASSIGN_OR_RETURN(model.fuse_unknown_, node.Bool("fuse_unk", false));
  SCANSERVE_ASSIGN_OR_RETURN(model.ignore_merges_, node.Bool("ignore_merges", false));
  SCANSERVE_ASSIGN_OR_RETURN(const JsonNode vocabulary, node.Member("vocab"));
  SCANSERVE_RETURN_IF_ERROR(model.ReadVocabulary(vocabulary));
  SCANSERVE_ASSIGN_OR_RETURN(const JsonNode merges, node.Member("merges"));
  SCANSERVE_RETURN_IF_ERROR(model.ReadMerges(merges));
  model.IndexBytes();
  SCANSERVE_RETURN_IF_ERROR(model.ReadUnknownToken(node));
  return model;
}

absl::Status BpeModel::ReadVocabulary(const JsonNode& node) {
  if (!node.value().is_object()) return node.Error("not an object");
  const size_t size = node.value().size();
  if (size == 0 || size > kMostTokens) {
    return node.Error(absl::StrCat(size, " tokens, expected 1 to ", kMostTokens));
  }
  vocabulary_.reserve(size);
  absl::flat_hash_set<int32_t> ids;
  for (const auto& [token, value] : node.value().items()) {
    const std::optional<int32_t> id = TokenIdOf(value);
    if (!id.has_value()) {
      return node.Error(absl::StrCat("token ", Quoted(token), " has the id ", Quoted(value.dump()),
                                     ", expected 0 to ", kMostTokenId));
    }
    if (!ids.insert(*id).second) {
      return node.Error(
          absl::StrCat("token ", Quoted(token), " has id ", *id, ", which another token has too"));
    }
    vocabulary_.emplace(token, *id);
  }
  return absl::OkStatus();
}

absl::StatusOr<int32_t> BpeModel::MergePart(const JsonNode& merge, std::string_view token) const {
  const std::optional<int32_t> id = IdOf(token);
  if (id.has_value()) return *id;
  return merge.Error(absl::StrCat("token ", Quoted(token), " is not in the vocabulary"));
}

absl::Status BpeModel::ReadMerges(const JsonNode& node) {
  SCANSERVE_ASSIGN_OR_RETURN(const std::vector<JsonNode> elements, node.Elements());
  merges_.reserve(elements.size());
  uint32_t rank = 0;
  for (const JsonNode& element : elements) {
    const nlohmann::json& value = element.value();
    std::string left;
    std::string right;
    if (value.is_string()) {
      const std::string& pair = value.get_ref<const std::string&>();
      const size_t space = pair.find(' ');
      if (space == std::string::npos || pair.find(' ', space + 1) != std::string::npos) {
        return element.Error(absl::StrCat(Quoted(pair), " is not two tokens"));
      }
      left = pair.substr(0, space);
      right = pair.substr(space + 1);
    } else if (value.is_array() && value.size() == 2 && value[0].is_string() &&
               value[1].is_string()) {
      left = value[0].get<std::string>();
      right = value[1].get<std::string>();
    } else {
      return element.Error("not two tokens");
    }
    SCANSERVE_ASSIGN_OR_RETURN(const int32_t left_id, MergePart(element, left));
    SCANSERVE_ASSIGN_OR_RETURN(const int32_t right_id, MergePart(element, right));
    SCANSERVE_ASSIGN_OR_RETURN(const int32_t joined, MergePart(element, left + right));
    // A pair that is listed again counts with its later rank.
    merges_.insert_or_assign(PairKey(left_id, right_id), Merge{rank++, joined});
  }
  return absl::OkStatus();
}

void BpeModel::IndexBytes() {
  id_of_byte_.fill(kNone);
  for (const auto& [token, id] : vocabulary_) {
    const std::optional<std::string> bytes = BytesOfByteLevelToken(token);
    if (!bytes.has_value()) continue;
    if (bytes->size() == 1) id_of_byte_[static_cast<uint8_t>(bytes->front())] = id;
    if (ignore_merges_) id_of_word_.emplace(*bytes, id);
  }
}

absl::Status BpeModel::ReadUnknownToken(const JsonNode& node) {
  bool complete = true;
  for (int byte = 0; byte < 256; ++byte) {
    complete = complete && (id_of_byte_[byte] != kNone || !OccursInUtf8(byte));
  }
  if (complete) return absl::OkStatus();  // no text can hold an unknown byte
  SCANSERVE_ASSIGN_OR_RETURN(const bool byte_fallback, node.Bool("byte_fallback", false));
  if (byte_fallback) {
    return node.Error("byte_fallback is not supported unless the vocabulary holds every byte");
  }
  SCANSERVE_ASSIGN_OR_RETURN(const std::string unknown, node.String("unk_token", ""));
  if (unknown.empty()) return absl::OkStatus();
  unknown_id_ = IdOf(unknown);
  if (unknown_id_.has_value()) return absl::OkStatus();
  return node.Error(absl::StrCat("unk_token ", Quoted(unknown), " is not in the vocabulary"));
}

std::optional<int32_t> BpeModel::IdOf(std::string_view token) const {
  const auto found = vocabulary_.find(absl::string_view(token.data(), token.size()));
  if (found == vocabulary_.end()) return std::nullopt;
  return found->second;
}

void BpeModel::FillSymbols(std::string_view word, Workspace* workspace) const {
  std::vector<Workspace::Symbol>& symbols = workspace->symbols;
  symbols.clear();
  bool fusing = false;  // the last symbol is the unknown token
  for (const char byte : word) {
    int32_t id = id_of_byte_[static_cast<uint8_t>(byte)];
    const bool unknown = id == kNone;
    if (unknown) {
      if (!unknown_id_.has_value() || (fusing && fuse_unknown_)) continue;
      id = *unknown_id_;
    }
    fusing = unknown;
    const auto place = static_cast<int32_t>(symbols.size());
    symbols.push_back({id, place - 1, place + 1});
  }
  if (!symbols.empty()) symbols.back().next = kNone;
}

std::optional<uint64_t> BpeModel::CandidateAt(int32_t left, const Workspace& workspace) const {
  const int32_t right = workspace.symbols[left].next;
  if (right == kNone) return std::nullopt;
  const auto merge = merges_.find(PairKey(workspace.symbols[left].id, workspace.symbols[right].id));
  if (merge == merges_.end()) return std::nullopt;
  return (uint64_t{merge->second.rank} << 32) | static_cast<uint32_t>(left);
}

// The first candidates are sorted once and only the later ones go through a heap: in a long run of
// one character that halves the time.
void BpeModel::Join(Workspace* workspace) const {
  std::vector<Workspace::Symbol>& symbols = workspace->symbols;
  std::vector<Workspace::Candidate>& first = workspace->first;
  std::vector<Workspace::Candidate>& heap = workspace->heap;
  const auto offer = [&](int32_t left) {
    if (left == kNone) return;
    const std::optional<uint64_t> candidate = CandidateAt(left, *workspace);
    if (!candidate.has_value()) return;
    heap.push_back(*candidate);
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  };
  first.clear();
  heap.clear();
  for (size_t i = 0; i + 1 < symbols.size(); ++i) {
    const std::optional<uint64_t> candidate = CandidateAt(static_cast<int32_t>(i), *workspace);
    if (candidate.has_value()) first.push_back(*candidate);
  }
  std::sort(first.begin(), first.end());
  for (size_t taken = 0; taken < first.size() || !heap.empty();) {
    Workspace::Candidate best;
    if (heap.empty() || (taken < first.size() && first[taken] < heap.front())) {
      best = first[taken++];
    } else {
      std::pop_heap(heap.begin(), heap.end(), std::greater<>());
      best = heap.back();
      heap.pop_back();
    }
    const auto place = static_cast<int32_t>(best & 0xFFFFFFFF);
    Workspace::Symbol& left = symbols[place];
    if (left.id == kGone || left.next == kNone) continue;
    Workspace::Symbol& right = symbols[left.next];
    const auto merge = merges_.find(PairKey(left.id, right.id));
    // The pair may have changed since it was listed.
    if (merge == merges_.end() || merge->second.rank != best >> 32) continue;
    left.id = merge->second.joined;
    right.id = kGone;
    left.next = right.next;
    if (left.next != kNone) symbols[left.next].previous = place;
    offer(left.previous);
    offer(place);
  }
}

void BpeModel::Append(std::string_view word, Workspace* workspace,
                      std::vector<int32_t>* ids) const {
  if (ignore_merges_) {
    const auto whole = id_of_word_.find(absl::string_view(word.data(), word.size()));
    if (whole != id_of_word_.end()) {
      ids->push_back(whole->second);
      return;
    }
  }
  FillSymbols(word, workspace);
  Join(workspace);
  for (const Workspace::Symbol& symbol : workspace->symbols) {
    if (symbol.id != kGone) ids->push_back(symbol.id);
  }
}

nlohmann::json BpeModel::Canonical() const {
  std::vector<std::pair<uint32_t, uint64_t>> by_rank;
  by_rank.reserve(merges_.size());
  for (const auto& [pair, merge] : merges_) by_rank.emplace_back(merge.rank, pair);
  std::sort(by_rank.begin(), by_rank.end());
  nlohmann::json merges = nlohmann::json::array();
  for (const auto& [rank, pair] : by_rank) merges.push_back({pair >> 32, pair & 0xFFFFFFFF});
  nlohmann::json vocabulary = nlohmann::json::object();
  for (const auto& [token, id] : vocabulary_) vocabulary[token] = id;
  nlohmann::json unknown;
  if (unknown_id_.has_value()) unknown = *unknown_id_;
  return {{"fuse_unk", fuse_unknown_ && unknown_id_.has_value()},
          {"ignore_merges", ignore_merges_},
          {"merges", std::move(merges)},
          {"unk_id", std::move(unknown)},
          {"vocab", std::move(vocabulary)}};
}

}  // namespace scanserve::model
