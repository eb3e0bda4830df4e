#include "core/ops/conv1d.h"

#include <cmath>

#include "gtest/gtest.h"
#include "tests/core/ops/kernel_test_data.h"

namespace scanserve::ops {
namespace {

using base::AlignedBuffer;
using base::ThreadPool;

// A sequence of `rows` inputs, inside rows of twice the channels, and the state before it.
struct Sequence {
  Sequence(int64_t channel_count, int64_t conv_width, int64_t row_count, bool with_bias = true)
      : channels(channel_count),
        width(conv_width),
        rows(row_count),
        weight(RandomFloats(channels * width, 1)),
        packed(static_cast<size_t>(channels * width)),
        bias(RandomFloats(channels, 2)),
        x(RandomFloats(rows * 2 * channels, 3)),
        state(RandomFloats(channels * (width - 1), 4)),
        params{channels,     width,   packed.data(), with_bias ? bias.data() : nullptr,
               2 * channels, channels} {
    PackConv1dWeight(weight.data(), channels, width, channels, packed.data());
  }

  // The input of one channel, before the first row for negative `row`.
  double Input(int64_t row, int64_t channel) const {
    if (row >= 0) return x.data()[row * 2 * channels + channel];
    const int64_t group = channel / kChannelGroup;
    return state
        .data()[(group * (width - 1) + width - 1 + row) * kChannelGroup + channel % kChannelGroup];
  }

  double Expected(int64_t row, int64_t channel) const {
    double sum = params.bias == nullptr ? 0 : params.bias[channel];
    for (int64_t k = 0; k < width; ++k) {
      sum += weight.data()[channel * width + k] * Input(row - width + 1 + k, channel);
    }
    return sum / (1 + std::exp(-sum));
  }

  Conv1dSegment Segment(int64_t first, int64_t count, AlignedBuffer& y, AlignedBuffer& h) const {
    return {count, x.data() + first * 2 * channels, y.data() + first * channels, h.data()};
  }

  int64_t channels;
  int64_t width;
  int64_t rows;
  AlignedBuffer weight;
  AlignedBuffer packed;
  AlignedBuffer bias;
  AlignedBuffer x;
  AlignedBuffer state;
  Conv1dParams params;
};

struct Result {
  AlignedBuffer y;
  AlignedBuffer state;
};

// Runs the sequence in chunks of the given lengths, the last one repeated.
Result RunInChunks(const Sequence& sequence, const std::vector<int64_t>& chunks, ThreadPool& pool) {
  Result result = {AlignedBuffer(static_cast<size_t>(sequence.rows * sequence.channels)),
                   Copy(sequence.state)};
  int64_t row = 0;
  for (size_t i = 0; row < sequence.rows; ++i) {
    const int64_t count = std::min(chunks[std::min(i, chunks.size() - 1)], sequence.rows - row);
    const Conv1dSegment segment = sequence.Segment(row, count, result.y, result.state);
    RunConv1d(sequence.params, {&segment, 1}, pool);
    row += count;
  }
  return result;
}

TEST(Conv1dTest, MatchesTheFormulaInDouble) {
  ThreadPool pool(2);
  for (const std::string_view target : SupportedKernelTargets()) {
    const ScopedKernelTarget scoped(target);
    for (const int64_t width : {1, 2, 3, 4, 5, 9}) {
      for (const bool with_bias : {false, true}) {
        const Sequence sequence(48, width, 11, with_bias);
        const Result result = RunInChunks(sequence, {11}, pool);
        for (int64_t i = 0; i < 11 * 48; ++i) {
          ASSERT_NEAR(result.y.data()[i], sequence.Expected(i / 48, i % 48), 5e-6)
              << target << " width " << width << " at " << i;
        }
      }
    }
  }
}

TEST(Conv1dTest, KeepsTheLastInputsAsState) {
  ThreadPool pool(2);
  for (const int64_t width : {1, 2, 4, 5}) {
    for (const int64_t rows : {1, 2, 3, 4, 9}) {
      const Sequence sequence(32, width, rows);
      const Result result = RunInChunks(sequence, {rows}, pool);
      for (int64_t c = 0; c < 32; ++c) {
        for (int64_t i = 0; i < width - 1; ++i) {
          const float kept = result.state.data()[(c / 16 * (width - 1) + i) * 16 + c % 16];
          EXPECT_EQ(kept, sequence.Input(rows - width + 1 + i, c));
        }
      }
    }
  }
}

TEST(Conv1dTest, HasTheSameBitsHoweverItIsCut) {
  ThreadPool one(1);
  ThreadPool two(2);
  for (const int64_t width : {1, 2, 4, 5, 9}) {
    const Sequence sequence(48, width, 40);
    const Result expected = RunInChunks(sequence, {40}, one);
    for (const std::string_view target : SupportedKernelTargets()) {
      const ScopedKernelTarget scoped(target);
      for (const int64_t chunk :
           {int64_t{1}, width - 2, width - 1, width, width + 1, int64_t{7}, int64_t{40}}) {
        if (chunk < 1) continue;
        for (ThreadPool* pool : {&one, &two}) {
          const Result result = RunInChunks(sequence, {3, chunk}, *pool);
          EXPECT_TRUE(SameBits(result.y, expected.y)) << target << " " << width << " " << chunk;
          EXPECT_TRUE(SameBits(result.state, expected.state)) << target << " chunk " << chunk;
        }
      }
    }
  }
}

TEST(Conv1dTest, KeepsSegmentsApart) {
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    const Sequence sequence(32, 4, 12);
    const Result expected = RunInChunks(sequence, {12}, pool);
    Sequence poison(32, 4, 30);
    Poison(poison.x.span());
    Poison(poison.state.span());
    for (int64_t place = 0; place < 3; ++place) {
      Result result = {AlignedBuffer(12 * 32), Copy(sequence.state)};
      AlignedBuffer poison_y(30 * 32);
      AlignedBuffer poison_states[] = {Copy(poison.state), Copy(poison.state)};
      std::vector<Conv1dSegment> segments = {poison.Segment(0, 30, poison_y, poison_states[0]),
                                             poison.Segment(0, 0, poison_y, poison_states[1])};
      segments.insert(segments.begin() + place, sequence.Segment(0, 12, result.y, result.state));
      RunConv1d(sequence.params, segments, pool);
      EXPECT_TRUE(SameBits(result.y, expected.y)) << threads << " threads, place " << place;
      EXPECT_TRUE(SameBits(result.state, expected.state));
      EXPECT_TRUE(SameBits(poison_states[1], poison.state)) << "a segment without rows";
    }
  }
}

TEST(Conv1dTest, PacksPaddingChannelsAsZeros) {
  const float weight[] = {1, 2, 3, 4, 5, 6};
  AlignedBuffer packed = RandomFloats(2 * 16, 1);
  PackConv1dWeight(weight, /*channels=*/3, /*width=*/2, /*padded_channels=*/16, packed.data());
  for (int64_t k = 0; k < 2; ++k) {
    for (int64_t c = 0; c < 16; ++c) {
      EXPECT_EQ(packed.data()[k * 16 + c], c < 3 ? weight[c * 2 + k] : 0.0F);
    }
  }
}

// Width 1 and weight 1 leave silu alone.
TEST(Conv1dTest, TakesSiluOfAnyMagnitude) {
  ThreadPool pool(1);
  constexpr int64_t kRows = 4096;
  AlignedBuffer x(kRows * 16);
  for (int64_t i = 0; i < kRows * 16; ++i) {
    x.data()[i] = static_cast<float>(i - kRows * 8) * 0.004F;
  }
  AlignedBuffer weight(16);
  std::fill(weight.span().begin(), weight.span().end(), 1.0F);
  for (const std::string_view target : SupportedKernelTargets()) {
    const ScopedKernelTarget scoped(target);
    AlignedBuffer y(x.size());
    const Conv1dSegment segment = {kRows, x.data(), y.data(), nullptr};
    RunConv1d({16, 1, weight.data(), nullptr, 16, 16}, {&segment, 1}, pool);
    for (size_t i = 0; i < x.size(); ++i) {
      const double value = x[i];
      const double expected = value / (1 + std::exp(-value));
      // Powers below 2^-126 are zero.
      ASSERT_NEAR(y[i], expected, 4e-7 * std::abs(expected) + 1e-35) << target << " " << value;
    }
  }
}

}  // namespace
}  // namespace scanserve::ops
