// Permuted passes against a plain reference, and the classes of targets against brute force.
#include <gtest/gtest.h>

#include <set>

#include "core/order/target_class.h"
#include "tests/core/runtime/golden_files.h"
#include "tests/core/runtime/same_bits.h"

namespace scanserve::runtime {
namespace {

constexpr int64_t kMaxRows = 192;
constexpr int kLayers = 3;
constexpr const char* kTiny = "tests/golden/checkpoints/odd_vocabulary";

std::shared_ptr<const model::LanguageModel> TinyModel() {
  static const auto model = LoadModel(kTiny);
  return model;
}

// Entries that fit, then what is missing in natural order; the last position to the end if pinned.
std::vector<int64_t> PlainOrder(const AppliedScan& scan, int64_t length) {
  std::vector<int64_t> order;
  for (const int32_t entry : scan.order->pi()) {
    if (entry < length) order.push_back(entry);
  }
  for (int64_t i = 0; i < length; ++i) {
    if (std::find(order.begin(), order.end(), i) == order.end()) order.push_back(i);
  }
  if (scan.readout == order::Readout::kPinLast) {
    std::erase(order, length - 1);
    order.push_back(length - 1);
  }
  return order;
}

// Logits of the whole prompt, [tokens, vocabulary]: gathers before and scatters after every mixer.
std::vector<float> GatherAndScatter(const model::LanguageModel& model,
                                    const std::vector<int32_t>& tokens,
                                    const RequestBasics& basics) {
  const auto length = static_cast<int64_t>(tokens.size());
  const int64_t hidden = model.config.hidden_size;
  const std::vector<int64_t> order = PlainOrder(basics.scan, length);
  const std::vector<int32_t>& targets = basics.scan.target_layers;
  base::ThreadPool pool(1);
  model::LayerWorkspace workspace(model.config, length);
  model::SequenceState state(model.config);
  std::vector<float> residual(static_cast<size_t>(length * hidden)), gathered(residual.size());
  model.network->Embed(tokens, residual.data());
  for (int layer = 0; layer < model.config.num_layers; ++layer) {
    const bool target =
        targets.empty() || std::find(targets.begin(), targets.end(), layer) != targets.end();
    const auto row = [&](std::vector<float>& values, int64_t i) {
      return values.begin() + i * hidden;
    };
    for (int64_t k = 0; k < length; ++k) {
      const int64_t from = target ? order[static_cast<size_t>(k)] : k;
      std::copy_n(row(residual, from), hidden, row(gathered, k));
    }
    const model::SequenceRows batch = {length, &state, basics.adapter.get()};
    model.network->RunLayer(layer, {&batch, 1}, gathered.data(), workspace, pool);
    for (int64_t k = 0; k < length; ++k) {
      const int64_t to = target ? order[static_cast<size_t>(k)] : k;
      std::copy_n(row(gathered, k), hidden, row(residual, to));
    }
  }
  std::vector<float> logits(static_cast<size_t>(length * model.config.vocab_size));
  model.network->FinalNorm(residual.data(), length, residual.data(), pool);
  model.network->Logits(residual.data(), length, logits.data(), pool);
  return logits;
}

RequestBasics RandomScan(int64_t entries, std::mt19937& random) {
  RequestBasics basics;
  basics.scan.order = RandomOrder(entries, random);
  for (int32_t layer = 0; layer < kLayers; ++layer) {
    if (random() % 2 == 0) basics.scan.target_layers.push_back(layer);
  }
  if (random() % 2 == 0) basics.scan.readout = order::Readout::kPinLast;
  return basics;
}

std::unique_ptr<Sequence> Read(BatchRunner& runner, const std::vector<int32_t>& tokens,
                               const RequestBasics& basics, int64_t chunk) {
  auto sequence = RecordingSequence(*TinyModel(), tokens, basics);
  ReadAll(runner, *sequence, chunk);
  return sequence;
}

TEST(PermutedPassTest, EqualsGatheringBeforeAndScatteringAfterEveryMixer) {
  const auto model = TinyModel();
  const auto adapter = LoadAdapter(kTiny, "all_modules", model->config);
  const auto vocabulary = static_cast<size_t>(model->config.vocab_size);
  std::mt19937 random(8);
  BatchRunner runner(*model, 2, kMaxRows);
  for (const int64_t length : {1, 2, 5, 33, 70}) {
    // Orders shorter and longer than the prompt, and as long.
    for (const int64_t entries : {int64_t{1}, (length + 1) / 2, length, length + 1, 3 * length}) {
      for (int round = 0; round < 3; ++round) {
        RequestBasics basics = RandomScan(entries, random);
        if (round == 1) basics.adapter = adapter;
        const std::vector<int32_t> tokens = RandomTokens(*model, length, random);
        const std::vector<float> expected = GatherAndScatter(*model, tokens, basics);
        const auto sequence =
            Read(runner, tokens, basics, 1 + random() % static_cast<uint32_t>(length));
        for (int64_t position = 0; position < length; ++position) {
          const auto begin = expected.begin() + position * model->config.vocab_size;
          ASSERT_TRUE(SameBits(RecordedRow(*sequence, position),
                               std::vector<float>(begin, begin + vocabulary)))
              << length << " tokens, " << entries << " entries, position " << position;
        }
      }
    }
  }
}

// Whether the logits at `position` have read token `other`, seen by replacing it.
std::set<std::pair<int64_t, int64_t>> ReadPairs(BatchRunner& runner,
                                                const std::vector<int32_t>& tokens,
                                                const RequestBasics& basics) {
  const auto length = static_cast<int64_t>(tokens.size());
  std::set<std::pair<int64_t, int64_t>> pairs;
  const auto before = Read(runner, tokens, basics, kMaxRows);
  for (int64_t other = 0; other < length; ++other) {
    std::vector<int32_t> replaced = tokens;
    int32_t& token = replaced[static_cast<size_t>(other)];
    token = (token + 41) % 97;
    const auto after = Read(runner, replaced, basics, kMaxRows);
    for (int64_t position = 0; position < length; ++position) {
      if (!SameBits(RecordedRow(*after, position), RecordedRow(*before, position))) {
        pairs.emplace(position, other);
      }
    }
  }
  return pairs;
}

order::TargetClass ClassByBruteForce(const std::set<std::pair<int64_t, int64_t>>& read,
                                     int64_t position) {
  if (read.contains({position, position + 1})) return order::TargetClass::kLeaked;
  const auto later = read.upper_bound({position, position});
  return later != read.end() && later->first == position ? order::TargetClass::kLookahead
                                                         : order::TargetClass::kCausal;
}

TEST(TargetClassTest, EqualsWhatReplacingTokensShows) {
  const auto model = TinyModel();
  std::mt19937 random(9);
  BatchRunner runner(*model, 1, kMaxRows);
  std::map<order::TargetClass, int> seen;
  for (int round = 0; round < 300; ++round) {
    const int64_t length = 2 + random() % 8;
    const RequestBasics basics =
        RandomScan(1 + random() % static_cast<uint32_t>(length + 3), random);
    const std::vector<int32_t> tokens = RandomTokens(*model, length, random);
    const auto effective =
        order::EffectiveOrder(basics.scan.order.get(), length, basics.scan.readout);
    const std::vector<int> layers(basics.scan.target_layers.begin(),
                                  basics.scan.target_layers.end());
    const auto classes = order::ClassifyTargets(effective, layers, kLayers);
    const auto read = ReadPairs(runner, tokens, basics);
    for (int64_t position = 0; position + 1 < length; ++position) {
      const order::TargetClass expected = ClassByBruteForce(read, position);
      ASSERT_EQ(classes[static_cast<size_t>(position)], expected)
          << "round " << round << " position " << position;
      ++seen[expected];
    }
  }
  EXPECT_GE(seen[order::TargetClass::kLeaked], 20);
  EXPECT_GE(seen[order::TargetClass::kLookahead], 20);
  EXPECT_GE(seen[order::TargetClass::kCausal], 20);
}

}  // namespace
}  // namespace scanserve::runtime
