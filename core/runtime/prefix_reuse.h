// Lets sequences start from the prefix cache, and puts their states into it.
//
// A prompt takes part when a repetition of it could skip something: all of it when at most one row
// of logits is needed (generation, the prefix of a continuation), or at least one block before the
// first row that must be read (extraction of a late range). Scoring and extraction of everything
// have nothing to gain and leave the cache to others. Up to there states are stored at the ends of
// blocks, at the end of the prompt and, of generation, on through the answer and at its end. A pass
// layer by layer has one state worth storing, that at its end.
#pragma once

#include <cstdint>

#include "core/model/mamba_config.h"
#include "core/runtime/prefix_cache.h"
#include "core/runtime/sequence.h"

namespace scanserve::runtime {

// Belongs to the engine's thread.
class PrefixReuse {
 public:
  // `block_tokens`: at least 1.
  PrefixReuse(const model::MambaConfig& config, const PrefixCacheOptions& options,
              int64_t block_tokens);

  // Call it with each new reading. A fresh one starts where the cache ends: the state is copied,
  // `tokens_read` set, the job told. Then it may be done already.
  void Begin(Sequence& sequence);
  // Hands out the logits row that Begin() found.
  static void DeliverRow(Sequence& sequence);
  // Call it when a chunk of the reading has been read.
  void AfterChunk(const Sequence& sequence);
  // Call it when the job of a sequence is done.
  void AfterAnswer(const Sequence& sequence);

  PrefixCacheStats stats() const { return cache_.stats(); }

 private:
  void Store(const Sequence& sequence, int64_t tokens);

  const int64_t num_layers_;
  const int64_t block_tokens_;
  const bool enabled_;
  PrefixCache cache_;
};

}  // namespace scanserve::runtime
