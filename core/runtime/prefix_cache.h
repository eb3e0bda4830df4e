// States of prompts that were read before, so that a prompt that begins like one of them starts
// where that one stood.
//
// An entry is what a pass over some tokens from a fresh state has left behind: the state after the
// last of them and, where it is known, one row of logits. The state depends on the tokens in the
// order in which they were scanned and on the kind of the pass alone, to the bit; so an entry fits
// every pass of its kind whose tokens begin with the entry's, and what follows a hit equals what
// follows a cold pass.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/types/span.h"
#include "core/model/mamba.h"

namespace scanserve::runtime {

// How tokens went through the layers. States of different kinds are never mixed up.
struct PassKind {
  // Names the adapter's content and how it is computed; empty is the base model. Not a pointer: an
  // entry keeps no adapter in memory, and another one at the same address does not fit.
  std::string adapter;
  // Of a pass layer by layer, as in Reading: the tokens stand in natural order, and what the state
  // has read depends on these too. Else empty.
  std::vector<int32_t> layer_order;
  std::vector<bool> is_target_layer;

  bool operator==(const PassKind&) const = default;
};

// Logits after one of a pass's tokens.
struct LogitsRow {
  // Index of the token; -1 is no row.
  int64_t index = -1;
  std::vector<float> values;
};

// Which rows of a pass its job needs, by their indices; the pass's size where there is none.
struct NeededRows {
  // The first row whose logits are needed.
  int64_t logits = 0;
  // The first row that nothing but reading it can give: of hidden states, or of logits after the
  // first.
  int64_t others = 0;
};

struct PrefixCacheOptions {
  // Memory of all entries: states, tokens, logits and what holds them together. 0 stores nothing.
  int64_t max_bytes = 0;
  // For tests: the bits of the hash that are looked at. With none, all entries collide.
  uint64_t hash_mask = ~uint64_t{0};
  // For tests: fills the state of an entry with NaN when it is evicted.
  bool poison_freed_state = false;
};

// Since the engine started, and now.
struct PrefixCacheStats {
  int64_t max_bytes = 0;
  int64_t bytes = 0;
  int64_t entries = 0;
  // Passes that were looked up, their tokens found, and their tokens that had to be read.
  int64_t lookups = 0;
  int64_t hit_tokens = 0;
  int64_t missed_tokens = 0;
  int64_t evictions = 0;
};

// Belongs to the engine's thread.
class PrefixCache {
 public:
  struct Hit {
    int64_t tokens;
    // Owned by the cache, until its next change. `row` is null when the entry has none.
    const model::SequenceState* state;
    const LogitsRow* row;
  };

  PrefixCache(const model::MambaConfig& config, const PrefixCacheOptions& options);

  // The longest entry that a pass over `tokens` can start from: none of the needed rows lies in it,
  // but that the entry may hold the logits row. It becomes the entry used last.
  std::optional<Hit> Find(const PassKind& kind, absl::Span<const int32_t> tokens,
                          const NeededRows& needed);

  // Stores a copy of `state`, and of `row` unless null, as left by `tokens`; those used longest ago
  // go when the bytes would not suffice. What is there already becomes the entry used last, and
  // takes the row. Does nothing when the entry alone would be larger than the cache.
  void Insert(const PassKind& kind, absl::Span<const int32_t> tokens,
              const model::SequenceState& state, const LogitsRow* row);

  PrefixCacheStats stats() const;

 private:
  struct Entry {
    uint64_t hash = 0;
    PassKind kind;
    std::vector<int32_t> tokens;
    std::unique_ptr<model::SequenceState> state;
    LogitsRow row;
    int64_t bytes = 0;
  };
  using Entries = std::list<Entry>;

  // The hash of the tokens so far and of one more.
  uint64_t Extend(uint64_t hash, uint64_t value) const;
  uint64_t HashOf(const PassKind& kind) const;
  // entries_.end() when there is none.
  Entries::iterator Lookup(uint64_t hash, const PassKind& kind, absl::Span<const int32_t> tokens);
  // Gives the row to an entry that stands in front.
  void SetRow(Entry& entry, const LogitsRow& row);
  // Removes the entry used longest ago and returns its state, to be written over.
  std::unique_ptr<model::SequenceState> Evict();

  const model::MambaConfig config_;
  const PrefixCacheOptions options_;
  // The one used last in front.
  Entries entries_;
  std::unordered_multimap<uint64_t, Entries::iterator> by_hash_;
  // How many entries have each number of tokens, the longest first.
  std::map<int64_t, int64_t, std::greater<>> lengths_;
  PrefixCacheStats stats_;
};

}  // namespace scanserve::runtime
