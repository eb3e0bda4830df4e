#include "core/runtime/prefix_cache.h"

#include <algorithm>
#include <utility>

namespace scanserve::runtime {
namespace {

// What the containers add to an entry: the nodes of list and table, and the heads of their blocks.
constexpr int64_t kNodeBytes = 256;

template <typename Value>
int64_t BytesOf(const std::vector<Value>& values) {
  return static_cast<int64_t>(values.size() * sizeof(Value));
}

int64_t BytesOf(const PassKind& kind) {
  return static_cast<int64_t>(kind.adapter.size() + kind.is_target_layer.size()) +
         BytesOf(kind.layer_order);
}

}  // namespace

PrefixCache::PrefixCache(const model::MambaConfig& config, const PrefixCacheOptions& options)
    : config_(config), options_(options) {}

// A multiplication and a fold for each token: every entry that is found is compared in full, so a
// collision costs time alone.
uint64_t PrefixCache::Extend(uint64_t hash, uint64_t value) const {
  const uint64_t product = (hash ^ value ^ 0x9E3779B97F4A7C15) * 0xD6E8FEB86659FD93;
  return (product ^ (product >> 32)) & options_.hash_mask;
}

uint64_t PrefixCache::HashOf(const PassKind& kind) const {
  uint64_t hash = 0;
  for (const char c : kind.adapter) hash = Extend(hash, static_cast<unsigned char>(c));
  for (const int32_t entry : kind.layer_order) hash = Extend(hash, static_cast<uint64_t>(entry));
  for (const bool is_target : kind.is_target_layer) hash = Extend(hash, is_target ? 1 : 0);
  return hash;
}

PrefixCache::Entries::iterator PrefixCache::Lookup(uint64_t hash, const PassKind& kind,
                                                   absl::Span<const int32_t> tokens) {
  const auto [begin, end] = by_hash_.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    const Entry& entry = *it->second;
    if (absl::MakeConstSpan(entry.tokens) == tokens && entry.kind == kind) return it->second;
  }
  return entries_.end();
}

std::optional<PrefixCache::Hit> PrefixCache::Find(const PassKind& kind,
                                                  absl::Span<const int32_t> tokens,
                                                  const NeededRows& needed) {
  ++stats_.lookups;
  stats_.missed_tokens += static_cast<int64_t>(tokens.size());
  // hashes[k] is that of the first k tokens.
  std::vector<uint64_t> hashes = {HashOf(kind)};
  hashes.reserve(tokens.size() + 1);
  for (const int32_t token : tokens) {
    hashes.push_back(Extend(hashes.back(), static_cast<uint64_t>(token)));
  }
  for (auto it = lengths_.lower_bound(needed.others); it != lengths_.end(); ++it) {
    const int64_t length = it->first;
    const auto found = Lookup(hashes[static_cast<size_t>(length)], kind,
                              tokens.first(static_cast<size_t>(length)));
    if (found == entries_.end()) continue;
    if (needed.logits < length && found->row.index != needed.logits) continue;
    entries_.splice(entries_.begin(), entries_, found);
    stats_.hit_tokens += length;
    stats_.missed_tokens -= length;
    return Hit{length, found->state.get(), found->row.index < 0 ? nullptr : &found->row};
  }
  return std::nullopt;
}

void PrefixCache::Insert(const PassKind& kind, absl::Span<const int32_t> tokens,
                         const model::SequenceState& state, const LogitsRow* row) {
  uint64_t hash = HashOf(kind);
  for (const int32_t token : tokens) hash = Extend(hash, static_cast<uint64_t>(token));
  const auto found = Lookup(hash, kind, tokens);
  if (found != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, found);
    if (row != nullptr && row->index != found->row.index) SetRow(*found, *row);
    return;
  }
  Entry entry;
  entry.hash = hash;
  entry.kind = kind;
  entry.tokens.assign(tokens.begin(), tokens.end());
  if (row != nullptr) entry.row = *row;
  entry.bytes = kNodeBytes + static_cast<int64_t>(sizeof(Entry)) + BytesOf(kind) +
                BytesOf(entry.tokens) + BytesOf(entry.row.values) + state.held_bytes();
  if (entry.bytes > options_.max_bytes) return;
  while (stats_.bytes + entry.bytes > options_.max_bytes) entry.state = Evict();
  if (entry.state == nullptr) entry.state = std::make_unique<model::SequenceState>(config_);
  entry.state->CopyFrom(state);
  stats_.bytes += entry.bytes;
  ++lengths_[static_cast<int64_t>(tokens.size())];
  entries_.push_front(std::move(entry));
  by_hash_.emplace(hash, entries_.begin());
}

void PrefixCache::SetRow(Entry& entry, const LogitsRow& row) {
  const int64_t more = BytesOf(row.values) - BytesOf(entry.row.values);
  if (entry.bytes + more > options_.max_bytes) return;
  // It stands in front: the others go first, and then it fits.
  while (stats_.bytes + more > options_.max_bytes) Evict();
  entry.row = row;
  entry.bytes += more;
  stats_.bytes += more;
}

std::unique_ptr<model::SequenceState> PrefixCache::Evict() {
  Entry& entry = entries_.back();
  const auto [begin, end] = by_hash_.equal_range(entry.hash);
  by_hash_.erase(std::find_if(
      begin, end, [&](const auto& item) { return item.second == std::prev(entries_.end()); }));
  const auto length = lengths_.find(static_cast<int64_t>(entry.tokens.size()));
  if (--length->second == 0) lengths_.erase(length);
  stats_.bytes -= entry.bytes;
  ++stats_.evictions;
  std::unique_ptr<model::SequenceState> state = std::move(entry.state);
  if (options_.poison_freed_state) state->Poison();
  entries_.pop_back();
  return state;
}

PrefixCacheStats PrefixCache::stats() const {
  PrefixCacheStats stats = stats_;
  stats.max_bytes = options_.max_bytes;
  stats.entries = static_cast<int64_t>(entries_.size());
  return stats;
}

}  // namespace scanserve::runtime
