#include "core/runtime/prefix_reuse.h"

#include <algorithm>
#include <limits>
#include <string>

#include "core/model/adapter.h"

namespace scanserve::runtime {
namespace {

// Equal content gives equal states, whatever object holds it; merged it is computed in another way.
std::string AdapterKey(const model::Adapter* adapter) {
  if (adapter == nullptr) return "";
  return adapter->merged() ? adapter->digest() + " merged" : adapter->digest();
}

bool NeedsHidden(const Job& job, int64_t num_layers, int64_t position) {
  const auto kind = job.hidden_kind();
  if (!kind.has_value()) return false;
  const int64_t layers = kind == HiddenStateKind::kFinalNorm ? 1 : num_layers;
  for (int64_t layer = 0; layer < layers; ++layer) {
    if (job.WantsHidden(layer, position)) return true;
  }
  return false;
}

NeededRows RowsNeeded(const Job& job, const Reading& reading, int64_t num_layers) {
  NeededRows needed = {reading.size(), reading.size()};
  for (int64_t k = 0; k < reading.size(); ++k) {
    const int64_t position = reading.positions[static_cast<size_t>(k)];
    const bool logits = job.WantsLogits(position);
    if (NeedsHidden(job, num_layers, position) || (logits && needed.logits < k)) {
      needed.others = k;
      return needed;
    }
    if (logits) needed.logits = k;
  }
  return needed;
}

// A decoded token is read after all that the state has read before. Nothing else goes on with a
// prompt that is worth storing.
void Continue(PrefixTrace& trace, const Reading& reading) {
  if (!trace.active) return;
  if (reading.size() != 1 || !trace.kind.layer_order.empty()) {
    trace = PrefixTrace();
    return;
  }
  trace.tokens.push_back(reading.tokens.front());
  trace.limit_tokens = std::numeric_limits<int64_t>::max();
  trace.hit_tokens = 0;
  trace.row = LogitsRow();
}

}  // namespace

PrefixReuse::PrefixReuse(const model::MambaConfig& config, const PrefixCacheOptions& options,
                         int64_t block_tokens)
    : num_layers_(config.num_layers),
      block_tokens_(block_tokens),
      enabled_(options.max_bytes > 0),
      cache_(config, options) {}

void PrefixReuse::Begin(Sequence& sequence) {
  const Reading& reading = sequence.reading;
  PrefixTrace& trace = sequence.prefix;
  if (!reading.fresh_state) return Continue(trace, reading);
  trace = PrefixTrace();
  if (!enabled_ || !sequence.job->basics().use_prefix_cache) return;
  NeededRows needed = RowsNeeded(*sequence.job, reading, num_layers_);
  // What follows the first reads a token at least: many windows that the cache knows would keep the
  // engine from its steps.
  if (sequence.request->started) needed.others = std::min(needed.others, reading.size() - 1);
  const bool whole = needed.others == reading.size();
  if (!whole && (reading.layer_by_layer() || needed.others < block_tokens_)) return;
  trace.active = true;
  trace.kind = {AdapterKey(sequence.job->basics().adapter.get()), reading.layer_order,
                reading.is_target_layer};
  trace.tokens = reading.tokens;
  trace.block_tokens = block_tokens_;
  trace.limit_tokens = needed.others;
  if (needed.logits < reading.size()) {
    trace.row.index = needed.logits;
    trace.row_position = reading.positions[static_cast<size_t>(needed.logits)];
  }
  const std::optional<PrefixCache::Hit> hit = cache_.Find(trace.kind, trace.tokens, needed);
  if (!hit.has_value()) return;
  sequence.state->CopyFrom(*hit->state);
  sequence.tokens_read = hit->tokens;
  trace.hit_tokens = hit->tokens;
  if (needed.logits < hit->tokens) trace.row = *hit->row;
  sequence.job->OnCachedTokens(hit->tokens);
}

void PrefixReuse::DeliverRow(Sequence& sequence) {
  const PrefixTrace& trace = sequence.prefix;
  if (trace.row.index < 0 || trace.row.index >= trace.hit_tokens) return;
  sequence.job->OnLogits(trace.row_position, trace.row.values);
}

void PrefixReuse::AfterChunk(const Sequence& sequence) {
  const PrefixTrace& trace = sequence.prefix;
  if (!trace.active) return;
  const bool done = sequence.reading_is_done();
  if (sequence.reading.layer_by_layer() && !done) return;
  const int64_t read = static_cast<int64_t>(trace.tokens.size()) - sequence.tokens_left();
  const bool prompt_end = done && sequence.reading.fresh_state;
  const bool block_end = read % block_tokens_ == 0;
  if (read <= trace.limit_tokens && (prompt_end || block_end)) Store(sequence, read);
}

void PrefixReuse::AfterAnswer(const Sequence& sequence) {
  const PrefixTrace& trace = sequence.prefix;
  if (!trace.active || sequence.reading.fresh_state) return;
  Store(sequence, static_cast<int64_t>(trace.tokens.size()));
}

void PrefixReuse::Store(const Sequence& sequence, int64_t tokens) {
  const PrefixTrace& trace = sequence.prefix;
  const bool has_row = trace.row.index >= 0 && trace.row.index < tokens;
  cache_.Insert(trace.kind, absl::MakeConstSpan(trace.tokens).first(static_cast<size_t>(tokens)),
                *sequence.state, has_row ? &trace.row : nullptr);
}

}  // namespace scanserve::runtime
