// Prompt passes against Hugging Face: logits and hidden states, with adapters and orders, of the
// embedded model and of small checkpoints with unusual shapes.
#include <gtest/gtest.h>

#include "tests/core/runtime/golden_files.h"
#include "tests/core/runtime/recording_job.h"

namespace scanserve::runtime {
namespace {

constexpr int kThreads = 2;
constexpr int64_t kMaxRows = 192;

double LargestDifference(const std::vector<float>& row, absl::Span<const float> expected,
                         size_t first, size_t step) {
  double largest = 0;
  for (size_t j = 0; j < expected.size(); ++j) {
    largest = std::max(largest, std::fabs(double{row[first + step * j]} - double{expected[j]}));
  }
  return largest;
}

// Golden rows hold every id, or the ids congruent to the position modulo 4.
void ExpectLogits(const Sequence& sequence, const base::FloatMatrix& expected) {
  const double tolerance = LogitTolerance(expected.values);
  double largest = 0;
  for (int64_t position = 0; position < expected.rows; ++position) {
    const std::vector<float> row = RecordedRow(sequence, position);
    const size_t step = row.size() / static_cast<size_t>(expected.columns);
    largest = std::max(largest, LargestDifference(row, expected.row(position),
                                                  static_cast<size_t>(position) % step, step));
  }
  EXPECT_LE(largest, tolerance);
  ::testing::Test::RecordProperty("largest_difference", std::to_string(largest));
}

std::unique_ptr<Sequence> Read512Tokens(std::shared_ptr<const model::Adapter> adapter) {
  RequestBasics basics;
  basics.adapter = std::move(adapter);
  auto sequence = RecordingSequence(*EmbeddedModel(), GoldenIds("logits/ids.npy"), basics);
  BatchRunner runner(*EmbeddedModel(), kThreads, kMaxRows);
  ReadAll(runner, *sequence, 100);
  return sequence;
}

class EmbeddedLogitsTest : public ::testing::TestWithParam<std::string> {};

TEST_P(EmbeddedLogitsTest, EqualHuggingFaceOver512Tokens) {
  const std::string name = GetParam();
  const auto adapter =
      LoadAdapter("models/scanserve-6m", name == "base" ? "" : name, EmbeddedModel()->config);
  const base::FloatMatrix golden = GoldenMatrix("logits/" + name + "_columns.npy");
  const auto sequence = Read512Tokens(adapter);
  ExpectLogits(*sequence, golden);
  if (adapter == nullptr) return;
  const auto merged = Read512Tokens(MergedAdapter(*adapter, *EmbeddedModel()));
  ExpectLogits(*merged, golden);
  double largest = 0;
  for (int64_t position = 0; position < golden.rows; ++position) {
    largest = std::max(largest, LargestDifference(RecordedRow(*merged, position),
                                                  RecordedRow(*sequence, position), 0, 1));
  }
  EXPECT_LE(largest, 1e-3);
  EXPECT_GT(largest, 0) << "the merged adapter was not merged";
}

INSTANTIATE_TEST_SUITE_P(Adapters, EmbeddedLogitsTest, ::testing::Values("base", "kjv", "devil"),
                         [](const auto& case_info) { return case_info.param; });

TEST(CheckpointLogitsTest, EqualHuggingFaceForEveryShapeAndAdapter) {
  for (const auto& golden : GoldenJson("checkpoints/cases.json")) {
    const std::string folder = "checkpoints/" + golden["checkpoint"].get<std::string>();
    const std::string adapter = StringOrEmpty(golden["adapter"]);
    SCOPED_TRACE(folder + " " + adapter);
    const auto model = LoadModel("tests/golden/" + folder);
    ASSERT_NE(model, nullptr);
    RequestBasics basics;
    basics.adapter = LoadAdapter("tests/golden/" + folder, adapter, model->config);
    const auto sequence =
        RecordingSequence(*model, GoldenIds(folder + "/expected/ids.npy"), basics);
    BatchRunner runner(*model, kThreads, kMaxRows);
    ReadAll(runner, *sequence, 7);
    const auto expected = GoldenMatrix(folder + "/" + golden["logits"].get<std::string>());
    ExpectLogits(*sequence, expected);
    if (basics.adapter == nullptr) continue;
    basics.adapter = MergedAdapter(*basics.adapter, *model);
    const auto merged = RecordingSequence(*model, GoldenIds(folder + "/expected/ids.npy"), basics);
    ReadAll(runner, *merged, 7);
    ExpectLogits(*merged, expected);
  }
}

TEST(CheckpointLogitsTest, AnAdapterOnDtProjAloneChangesThem) {
  const auto plain = GoldenMatrix("checkpoints/odd_vocabulary/expected/logits.npy");
  const auto adapted = GoldenMatrix("checkpoints/odd_vocabulary/expected/logits_dt_proj_only.npy");
  double largest = 0;
  for (int64_t row = 0; row < plain.rows; ++row) {
    const auto expected = plain.row(row);
    largest = std::max(
        largest, LargestDifference({expected.begin(), expected.end()}, adapted.row(row), 0, 1));
  }
  EXPECT_GT(largest, 0.1);
}

AppliedScan GoldenScan(const nlohmann::json& golden, const std::string& order_folder) {
  AppliedScan scan;
  const std::string name = StringOrEmpty(golden["order"]);
  if (!name.empty()) scan.order = GoldenOrder(order_folder + name + ".npy");
  for (const auto& layer : golden["target_layers"]) scan.target_layers.push_back(layer);
  if (golden["readout"] == "PIN_LAST") scan.readout = order::Readout::kPinLast;
  return scan;
}

TEST(PermutedPassTest, EqualsHuggingFaceWithItsMixersPatched) {
  int cases = 0;
  for (const auto& golden : GoldenJson("permuted/cases.json")) {
    const std::string name = golden["name"];
    SCOPED_TRACE(name);
    const bool tiny = golden["model"] != "models/scanserve-6m";
    const std::string folder = (tiny ? "tests/golden/" : "") + golden["model"].get<std::string>();
    const auto model = LoadModel(folder);
    ASSERT_NE(model, nullptr);
    RequestBasics basics;
    basics.adapter = LoadAdapter(folder, StringOrEmpty(golden["adapter"]), model->config);
    basics.scan = GoldenScan(golden, "permuted/orders/");
    const auto ids = tiny ? GoldenIds("checkpoints/odd_vocabulary/expected/ids.npy")
                          : GoldenIds("permuted/embedded_ids.npy");
    for (const int64_t chunk : {5, 1000}) {
      const auto sequence = RecordingSequence(*model, ids, basics);
      BatchRunner runner(*model, kThreads, kMaxRows);
      ReadAll(runner, *sequence, std::min(chunk, kMaxRows));
      ExpectLogits(*sequence,
                   GoldenMatrix("permuted/" + name + (tiny ? "_logits.npy" : "_columns.npy")));
    }
    ++cases;
  }
  EXPECT_GE(cases, 8);
}

TEST(HiddenStatesTest, EqualHuggingFaceHooks) {
  const auto model = EmbeddedModel();
  const auto ids = GoldenIds("hidden/ids.npy");
  const std::pair<const char*, HiddenStateKind> kinds[] = {
      {"mixer_input", HiddenStateKind::kMixerInput},
      {"layer_output", HiddenStateKind::kLayerOutput},
      {"final_norm", HiddenStateKind::kFinalNorm}};
  for (const std::string adapter : {"base", "kjv"}) {
    for (const std::string scan : {"natural", "permuted"}) {
      for (const auto& [kind_name, kind] : kinds) {
        RequestBasics basics;
        basics.adapter =
            LoadAdapter("models/scanserve-6m", adapter == "base" ? "" : adapter, model->config);
        if (scan == "permuted") basics.scan.order = GoldenOrder("hidden/order.npy");
        const auto sequence = RecordingSequence(*model, ids, basics, kind);
        BatchRunner runner(*model, kThreads, kMaxRows);
        ReadAll(runner, *sequence, 20);
        for (const int layer : {0, 6, 11}) {
          const bool final_norm = kind == HiddenStateKind::kFinalNorm;
          const std::string stem = "hidden/" + adapter + "_" + scan + "_" + kind_name;
          const auto expected = GoldenMatrix(
              final_norm ? stem + ".npy" : stem + "_" + std::to_string(layer) + ".npy");
          for (int64_t position = 0; position < expected.rows; ++position) {
            const auto row = RecordedRow(*sequence, position, final_norm ? 0 : layer);
            ASSERT_LE(LargestDifference(row, expected.row(position), 0, 1), 5e-4)
                << stem << " layer " << layer << " position " << position;
          }
          if (final_norm) break;
        }
      }
    }
  }
}

}  // namespace
}  // namespace scanserve::runtime
