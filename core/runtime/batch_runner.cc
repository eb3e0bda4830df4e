#include "core/runtime/batch_runner.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/base/check.h"

namespace scanserve::runtime {
namespace {

// Rows whose logits are held at once: enough for the product to run at full speed, few enough for a
// vocabulary of 50,000 to stay within 13 MB.
constexpr int64_t kOutputRows = 64;

size_t Floats(int64_t rows, int64_t columns) { return static_cast<size_t>(rows * columns); }

// Sorts chunks so that those of one adapter stand together and share its products, and those of
// merged adapters, which share nothing with others, last.
std::pair<bool, uintptr_t> AdapterPlace(const Chunk& chunk) {
  const model::Adapter* adapter = chunk.sequence->job->basics().adapter.get();
  return {adapter != nullptr && adapter->merged(), reinterpret_cast<uintptr_t>(adapter)};
}

void SetInitialState(const Reading& reading, model::SequenceState& state) {
  if (reading.fresh_state) return state.Zero();
  if (reading.initial_state != nullptr) state.CopyFrom(*reading.initial_state);
}

}  // namespace

BatchRunner::BatchRunner(const model::LanguageModel& model, int threads, int64_t max_rows)
    : model_(model),
      hidden_(model.config.hidden_size),
      pool_(threads),
      workspace_(model.config, max_rows),
      residual_(Floats(max_rows, hidden_)),
      normed_(Floats(kOutputRows, hidden_)),
      logits_(Floats(kOutputRows, model.config.vocab_size)) {}

void BatchRunner::RunTogether(std::vector<Chunk> chunks) {
  std::stable_sort(chunks.begin(), chunks.end(), [](const Chunk& a, const Chunk& b) {
    return AdapterPlace(a) < AdapterPlace(b);
  });
  std::vector<int32_t> tokens;
  std::vector<Row> rows;
  std::vector<model::SequenceRows> batch;
  for (const Chunk& chunk : chunks) {
    Sequence& sequence = *chunk.sequence;
    const Reading& reading = sequence.reading;
    if (sequence.tokens_read == 0) SetInitialState(reading, *sequence.state);
    for (int64_t k = sequence.tokens_read; k < sequence.tokens_read + chunk.tokens; ++k) {
      tokens.push_back(reading.tokens[static_cast<size_t>(k)]);
      rows.push_back({&sequence, reading.positions[static_cast<size_t>(k)]});
    }
    batch.push_back({chunk.tokens, sequence.state.get(), sequence.job->basics().adapter.get()});
  }
  SCANSERVE_CHECK(static_cast<int64_t>(rows.size()) <= workspace_.max_rows());
  model_.network->Embed(tokens, residual_.data());
  for (int64_t layer = 0; layer < model_.config.num_layers; ++layer) {
    model_.network->RunLayer(layer, batch, residual_.data(), workspace_, pool_);
    DeliverHidden(HiddenStateKind::kMixerInput, layer, rows, workspace_.mixer_input());
    DeliverHidden(HiddenStateKind::kLayerOutput, layer, rows, residual_.data());
  }
  DeliverOutputs(rows, residual_.data());
  for (const Chunk& chunk : chunks) chunk.sequence->tokens_read += chunk.tokens;
}

void BatchRunner::DeliverHidden(HiddenStateKind kind, int64_t layer, absl::Span<const Row> rows,
                                const float* states) {
  for (size_t r = 0; r < rows.size(); ++r) {
    Job& job = *rows[r].sequence->job;
    if (job.hidden_kind() != kind || !job.WantsHidden(layer, rows[r].position)) continue;
    const float* row = states + static_cast<int64_t>(r) * hidden_;
    job.OnHidden(layer, rows[r].position, absl::MakeConstSpan(row, static_cast<size_t>(hidden_)));
  }
}

void BatchRunner::DeliverOutputs(absl::Span<const Row> rows, const float* residual) {
  std::vector<size_t> wanted;
  for (size_t r = 0; r < rows.size(); ++r) {
    const Job& job = *rows[r].sequence->job;
    const bool final_norm =
        job.hidden_kind() == HiddenStateKind::kFinalNorm && job.WantsHidden(0, rows[r].position);
    if (final_norm || job.WantsLogits(rows[r].position)) wanted.push_back(r);
  }
  // Rows whose logits nobody wants come last: the head leaves them out.
  const auto wants_logits = [&](size_t r) {
    return rows[r].sequence->job->WantsLogits(rows[r].position);
  };
  std::stable_partition(wanted.begin(), wanted.end(), wants_logits);
  for (size_t begin = 0; begin < wanted.size(); begin += kOutputRows) {
    const size_t count = std::min<size_t>(kOutputRows, wanted.size() - begin);
    std::vector<Row> block;
    for (size_t i = 0; i < count; ++i) {
      const size_t r = wanted[begin + i];
      block.push_back(rows[r]);
      const float* row = residual + static_cast<int64_t>(r) * hidden_;
      std::copy(row, row + hidden_, normed_.data() + static_cast<int64_t>(i) * hidden_);
    }
    const auto block_rows = static_cast<int64_t>(count);
    model_.network->FinalNorm(normed_.data(), block_rows, normed_.data(), pool_);
    DeliverHidden(HiddenStateKind::kFinalNorm, 0, block, normed_.data());
    const auto first = wanted.begin() + static_cast<ptrdiff_t>(begin);
    const auto with_logits =
        std::partition_point(first, first + static_cast<ptrdiff_t>(count), wants_logits) - first;
    if (with_logits == 0) continue;
    model_.network->Logits(normed_.data(), with_logits, logits_.data(), pool_);
    DeliverLogits(absl::MakeConstSpan(block).first(static_cast<size_t>(with_logits)));
  }
}

void BatchRunner::DeliverLogits(absl::Span<const Row> rows) {
  // Rows that one thread takes: those of one job, in order, or each by itself.
  std::vector<size_t> begins;
  for (size_t r = 0; r < rows.size(); ++r) {
    const bool goes_on = r > 0 && rows[r].sequence == rows[r - 1].sequence;
    if (!goes_on || rows[r].sequence->job->logits_in_any_order()) begins.push_back(r);
  }
  const auto runs = static_cast<int64_t>(begins.size());
  begins.push_back(rows.size());
  const auto vocabulary = static_cast<size_t>(model_.config.vocab_size);
  pool_.ParallelFor(runs, /*smallest_range=*/1, [&](int64_t begin, int64_t end) {
    for (size_t r = begins[static_cast<size_t>(begin)]; r < begins[static_cast<size_t>(end)]; ++r) {
      const auto logits = absl::MakeConstSpan(logits_.data() + r * vocabulary, vocabulary);
      rows[r].sequence->prefix.KeepRow(rows[r].position, logits);
      rows[r].sequence->job->OnLogits(rows[r].position, logits);
    }
  });
}

void BatchRunner::BeginLayerByLayer(Sequence& sequence) {
  SCANSERVE_CHECK(sequence.reading.fresh_state);
  sequence.state->Zero();
  sequence.layer = 0;
  sequence.residual = base::AlignedBuffer(Floats(sequence.reading.size(), hidden_));
  model_.network->Embed(sequence.reading.tokens, sequence.residual.data());
}

void BatchRunner::RunLayerByLayer(Sequence& sequence, int64_t tokens) {
  if (sequence.residual.size() == 0) BeginLayerByLayer(sequence);
  const int64_t layers = model_.config.num_layers;
  // The outputs come after the last layer, in chunks too.
  for (int64_t token_layers = tokens * layers; token_layers > 0;) {
    token_layers -= sequence.layer < layers ? RunLayerChunk(sequence, token_layers)
                                            : RunOutputChunk(sequence, token_layers);
    if (sequence.tokens_left() > 0) continue;
    if (sequence.layer == layers) {
      sequence.residual = base::AlignedBuffer();
      return;
    }
    ++sequence.layer;
    sequence.tokens_read = 0;
  }
}

int64_t BatchRunner::RunOutputChunk(Sequence& sequence, int64_t tokens) {
  const int64_t count = std::min({tokens, sequence.tokens_left(), workspace_.max_rows()});
  std::vector<Row> rows;
  for (int64_t k = sequence.tokens_read; k < sequence.tokens_read + count; ++k) {
    rows.push_back({&sequence, sequence.reading.positions[static_cast<size_t>(k)]});
  }
  DeliverOutputs(rows, sequence.residual.data() + sequence.tokens_read * hidden_);
  sequence.tokens_read += count;
  return count;
}

int64_t BatchRunner::RunLayerChunk(Sequence& sequence, int64_t tokens) {
  const Reading& reading = sequence.reading;
  const int64_t count = std::min({tokens, sequence.tokens_left(), workspace_.max_rows()});
  const bool target = reading.is_target_layer[static_cast<size_t>(sequence.layer)];
  const auto natural_index = [&](int64_t i) {
    const int64_t k = sequence.tokens_read + i;
    return target ? int64_t{reading.layer_order[static_cast<size_t>(k)]} : k;
  };
  std::vector<Row> rows;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t index = natural_index(i);
    rows.push_back({&sequence, reading.positions[static_cast<size_t>(index)]});
    const float* source = sequence.residual.data() + index * hidden_;
    std::copy(source, source + hidden_, residual_.data() + i * hidden_);
  }
  const model::SequenceRows batch = {count, sequence.state.get(),
                                     sequence.job->basics().adapter.get()};
  model_.network->RunLayer(sequence.layer, {&batch, 1}, residual_.data(), workspace_, pool_);
  DeliverHidden(HiddenStateKind::kMixerInput, sequence.layer, rows, workspace_.mixer_input());
  DeliverHidden(HiddenStateKind::kLayerOutput, sequence.layer, rows, residual_.data());
  for (int64_t i = 0; i < count; ++i) {
    const float* source = residual_.data() + i * hidden_;
    std::copy(source, source + hidden_, sequence.residual.data() + natural_index(i) * hidden_);
  }
  sequence.tokens_read += count;
  return count;
}

}  // namespace scanserve::runtime
