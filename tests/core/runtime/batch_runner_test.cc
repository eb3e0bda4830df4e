// The promise of f32.k1: what a pass gives is the same to the bit in any chunks, any batch and any
// number of threads.
#include "core/runtime/batch_runner.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/core/model/counted_linear.h"
#include "tests/core/runtime/golden_files.h"
#include "tests/core/runtime/same_bits.h"

namespace scanserve::runtime {
namespace {

constexpr int64_t kMaxRows = 192;
constexpr int64_t kLayers = 3;
constexpr const char* kTiny = "tests/golden/checkpoints/odd_vocabulary";

std::shared_ptr<const model::LanguageModel> TinyModel() {
  static const auto model = LoadModel(kTiny);
  return model;
}

RequestBasics WithAdapter(const std::string& name) {
  RequestBasics basics;
  basics.adapter = LoadAdapter(kTiny, name, TinyModel()->config);
  return basics;
}

RequestBasics WithScan(int64_t entries, std::vector<int32_t> layers, order::Readout readout) {
  std::mt19937 random(static_cast<uint32_t>(entries));
  RequestBasics basics;
  basics.scan = {RandomOrder(entries, random), std::move(layers), readout};
  return basics;
}

// Natural, all layers, and subsets, read layer by layer.
std::vector<RequestBasics> Scans() {
  return {RequestBasics(), WithScan(50, {}, order::Readout::kNaturalLast),
          WithScan(70, {1}, order::Readout::kPinLast),
          WithScan(20, {0, 2}, order::Readout::kNaturalLast)};
}

std::unique_ptr<Sequence> ReadAlone(const model::LanguageModel& model,
                                    const std::vector<int32_t>& tokens, const RequestBasics& basics,
                                    std::optional<HiddenStateKind> kind = std::nullopt) {
  BatchRunner runner(model, /*threads=*/1, kMaxRows);
  auto sequence = RecordingSequence(model, tokens, basics, kind);
  ReadAll(runner, *sequence, kMaxRows);
  return sequence;
}

void ExpectChunksDoNotMatter(int threads, const std::vector<int64_t>& lengths,
                             const std::vector<int64_t>& chunks) {
  const auto model = TinyModel();
  std::mt19937 random(1);
  BatchRunner runner(*model, threads, kMaxRows);
  for (const RequestBasics& basics : Scans()) {
    for (const int64_t length : lengths) {
      const std::vector<int32_t> tokens = RandomTokens(*model, length, random);
      const auto whole = ReadAlone(*model, tokens, basics);
      for (const int64_t chunk : chunks) {
        SCOPED_TRACE(testing::Message() << length << " tokens by " << chunk);
        const auto chunked = RecordingSequence(*model, tokens, basics);
        ReadAll(runner, *chunked, chunk);
        ExpectSameBits(*chunked, *whole);
      }
    }
  }
}

TEST(BatchRunnerTest, ChunksOfAPromptDoNotChangeABit) {
  // Among them: one token, conv_kernel - 1, and one past a chunk.
  ExpectChunksDoNotMatter(1, {1, 3, 4, 17, 65, 150}, {1, 2, 3, 7, 16, 17, 64, 65});
}

TEST(BatchRunnerTest, ASecondThreadDoesNotChangeABit) {
  ExpectChunksDoNotMatter(2, {1, 3, 65, 150}, {7, 64, 150});
}

TEST(BatchRunnerTest, ChunksDoNotChangeABitOfTheHiddenStates) {
  const auto model = TinyModel();
  std::mt19937 random(2);
  const std::vector<int32_t> tokens = RandomTokens(*model, 65, random);
  BatchRunner runner(*model, 2, kMaxRows);
  for (const RequestBasics& basics : Scans()) {
    for (const HiddenStateKind kind : {HiddenStateKind::kMixerInput, HiddenStateKind::kLayerOutput,
                                       HiddenStateKind::kFinalNorm}) {
      const auto whole = ReadAlone(*model, tokens, basics, kind);
      const auto chunked = RecordingSequence(*model, tokens, basics, kind);
      ReadAll(runner, *chunked, 8);
      ExpectSameBits(*chunked, *whole);
    }
  }
}

// Reads tokens after those read so far, naturally.
void ReadOn(BatchRunner& runner, Sequence& sequence, const std::vector<int32_t>& tokens,
            int64_t begin, int64_t end) {
  sequence.reading = Reading();
  sequence.reading.fresh_state = false;
  for (int64_t i = begin; i < end; ++i) {
    sequence.reading.tokens.push_back(tokens[static_cast<size_t>(i)]);
    sequence.reading.positions.push_back(i);
  }
  sequence.tokens_read = 0;
  ReadAll(runner, sequence, kMaxRows);
}

TEST(BatchRunnerTest, ReadingTokensOneByOneGivesTheBitsOfOneChunk) {
  const auto model = TinyModel();
  std::mt19937 random(3);
  const std::vector<int32_t> tokens = RandomTokens(*model, 60, random);
  BatchRunner runner(*model, 2, kMaxRows);
  for (const RequestBasics& basics : Scans()) {
    for (const int64_t prompt : {int64_t{1}, int64_t{30}}) {
      const std::vector<int32_t> head(tokens.begin(), tokens.begin() + prompt);
      const auto at_once = ReadAlone(*model, head, basics);
      const auto one_by_one = ReadAlone(*model, head, basics);
      ReadOn(runner, *at_once, tokens, prompt, 60);
      for (int64_t i = prompt; i < 60; ++i) ReadOn(runner, *one_by_one, tokens, i, i + 1);
      ExpectSameBits(*one_by_one, *at_once);
    }
  }
  // And under no order the whole is one prompt.
  const auto prompt = ReadAlone(*model, tokens, {});
  const auto decoded = ReadAlone(*model, {tokens[0]}, {});
  for (int64_t i = 1; i < 60; ++i) ReadOn(runner, *decoded, tokens, i, i + 1);
  ExpectSameBits(*decoded, *prompt);
}

// One of many: its rows come out as NaN, and must not show in others'.
std::unique_ptr<Sequence> PoisonedSequence(const model::LanguageModel& model,
                                           const std::vector<int32_t>& tokens,
                                           const std::string& adapter) {
  auto sequence = RecordingSequence(model, tokens, WithAdapter(adapter));
  sequence->reading.fresh_state = false;
  sequence->state->Poison();
  return sequence;
}

bool AllNan(const Sequence& sequence) {
  for (const auto& [place, row] : static_cast<const RecordingJob&>(*sequence.job).rows) {
    for (const float value : row) {
      if (!std::isnan(value)) return false;
    }
  }
  return true;
}

// Random chunks of random sequences until all are read.
void ReadTogether(BatchRunner& runner, const std::vector<std::unique_ptr<Sequence>>& sequences,
                  std::mt19937& random) {
  for (bool left = true; left;) {
    left = false;
    std::vector<Chunk> chunks;
    int64_t room = kMaxRows;
    for (const auto& sequence : sequences) {
      if (sequence->reading.layer_by_layer()) {
        if (sequence->layer == kLayers && sequence->residual.size() == 0) continue;
        left = true;
        // Between steps of the others, in the same workspace.
        runner.RunLayerByLayer(*sequence, 1 + random() % 9);
        continue;
      }
      const auto most = static_cast<int64_t>(1 + random() % 40);
      const int64_t tokens = std::min({sequence->tokens_left(), room, most});
      if (tokens == 0) continue;
      left = true;
      if (random() % 4 == 0) continue;
      chunks.push_back({sequence.get(), tokens});
      room -= tokens;
    }
    std::shuffle(chunks.begin(), chunks.end(), random);
    if (!chunks.empty()) runner.RunTogether(std::move(chunks));
  }
}

TEST(BatchRunnerTest, NeighboursDoNotChangeABitNotEvenWithNan) {
  const auto model = TinyModel();
  std::mt19937 random(4);
  std::vector<RequestBasics> all_basics = Scans();
  for (const char* adapter : {"all_modules", "dt_proj_only", "all_modules"}) {
    all_basics.push_back(WithAdapter(adapter));
    all_basics.back().scan = all_basics[all_basics.size() % 4].scan;
  }
  for (const char* adapter : {"all_modules", "dt_proj_only"}) {
    all_basics.push_back(all_basics[all_basics.size() % 4]);
    all_basics.back().adapter = MergedAdapter(*WithAdapter(adapter).adapter, *model);
  }
  for (const int threads : {1, 2}) {
    BatchRunner runner(*model, threads, kMaxRows);
    std::vector<std::unique_ptr<Sequence>> alone, together;
    for (const int64_t length : {1, 3, 65, 130, 20}) {
      for (const RequestBasics& basics : all_basics) {
        const std::vector<int32_t> tokens = RandomTokens(*model, length, random);
        alone.push_back(ReadAlone(*model, tokens, basics));
        together.push_back(RecordingSequence(*model, tokens, basics));
      }
    }
    for (const char* adapter : {"", "all_modules", "dt_proj_only"}) {
      together.push_back(PoisonedSequence(*model, RandomTokens(*model, 90, random), adapter));
      alone.push_back(nullptr);
    }
    ReadTogether(runner, together, random);
    for (size_t i = 0; i < together.size(); ++i) {
      SCOPED_TRACE(i);
      if (alone[i] == nullptr) {
        EXPECT_TRUE(AllNan(*together[i]));
      } else {
        ExpectSameBits(*together[i], *alone[i]);
      }
    }
  }
}

TEST(BatchRunnerTest, SequencesOfAnAdapterShareItsProductsWhereverTheyStandInABatch) {
  model::LinearRuns runs;
  const auto counted = model::CountedLinears(/*rank=*/4, runs);
  const auto model = *model::LoadLanguageModel(SourcePath(kTiny), counted);
  const std::string folder = SourcePath(std::string(kTiny) + "/adapters/all_modules");
  std::vector<std::shared_ptr<const model::Adapter>> adapters = {nullptr};
  for (int i = 0; i < 2; ++i) {
    adapters.push_back(*model::Adapter::Load("a", folder, model->config, counted));
    adapters.push_back(adapters.back()->Merge(*model->network, counted));
  }
  std::vector<std::unique_ptr<Sequence>> sequences;
  std::vector<Chunk> chunks;
  for (int i = 0; i < 15; ++i) {
    RequestBasics basics;
    basics.adapter = adapters[static_cast<size_t>(i) % adapters.size()];
    sequences.push_back(RecordingSequence(*model, {1, 2}, basics));
    chunks.push_back({sequences.back().get(), 2});
  }
  BatchRunner runner(*model, /*threads=*/1, kMaxRows);
  runs = model::LinearRuns();
  runner.RunTogether(std::move(chunks));
  EXPECT_EQ(runs.small, 2 * 2 * model::kModules * kLayers) << "a pair for each adapter and module";
  EXPECT_EQ(runs.full, 3 * model::kModules * kLayers + 1) << "the base's, the merged, the head";
}

TEST(BatchRunnerTest, AFreshReadingTakesNothingFromAPoisonedState) {
  const auto model = TinyModel();
  std::mt19937 random(5);
  const std::vector<int32_t> tokens = RandomTokens(*model, 30, random);
  BatchRunner runner(*model, 2, kMaxRows);
  for (const RequestBasics& basics : Scans()) {
    const auto sequence = RecordingSequence(*model, tokens, basics);
    sequence->state->Poison();
    ReadAll(runner, *sequence, 4);
    ExpectSameBits(*sequence, *ReadAlone(*model, tokens, basics));
  }
}

TEST(BatchRunnerTest, AListOfAllLayersGivesTheBitsOfThePassTogether) {
  const auto model = TinyModel();
  std::mt19937 random(6);
  const std::vector<int32_t> tokens = RandomTokens(*model, 40, random);
  RequestBasics all = WithScan(30, {}, order::Readout::kPinLast);
  const auto together = ReadAlone(*model, tokens, all);
  RequestBasics listed = all;
  listed.scan.target_layers = {0, 1, 2};
  EXPECT_FALSE(RecordingSequence(*model, tokens, listed)->reading.layer_by_layer());
  ExpectSameBits(*ReadAlone(*model, tokens, listed), *together);
  // The same list, forced through the pass layer by layer.
  listed.scan.target_layers = {1};
  const auto by_layer = RecordingSequence(*model, tokens, listed);
  by_layer->reading.is_target_layer = {true, true, true};
  BatchRunner runner(*model, 2, kMaxRows);
  ReadAll(runner, *by_layer, 3);
  ExpectSameBits(*by_layer, *together);
}

TEST(BatchRunnerTest, TheEmbeddedModelKeepsItsBitsInChunksAndThreads) {
  const auto model = EmbeddedModel();
  std::mt19937 random(7);
  const std::vector<int32_t> tokens = RandomTokens(*model, 65, random);
  for (const char* adapter : {"", "kjv"}) {
    RequestBasics basics;
    basics.adapter = LoadAdapter("models/scanserve-6m", adapter, model->config);
    const auto whole = ReadAlone(*model, tokens, basics);
    for (const int64_t chunk : {3, 64}) {
      BatchRunner runner(*model, 2, kMaxRows);
      const auto chunked = RecordingSequence(*model, tokens, basics);
      ReadAll(runner, *chunked, chunk);
      ExpectSameBits(*chunked, *whole);
    }
  }
}

}  // namespace
}  // namespace scanserve::runtime
