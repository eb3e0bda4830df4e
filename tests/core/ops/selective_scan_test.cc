#include "core/ops/selective_scan.h"

#include <cmath>

#include "gtest/gtest.h"
#include "tests/core/ops/kernel_test_data.h"

namespace scanserve::ops {
namespace {

using base::AlignedBuffer;
using base::ThreadPool;

// A sequence and the state before it, in the strides of the model: z after u's twin, B and C after
// dt.
struct Sequence {
  Sequence(int64_t channel_count, int64_t states, int64_t row_count)
      : channels(channel_count),
        n(states),
        rows(row_count),
        a_log(RandomFloats(channels * n, 1)),
        a(static_cast<size_t>(channels * n)),
        d(RandomFloats(channels, 2)),
        delta(RandomFloats(rows * channels, 3, 4, -2)),
        u(RandomFloats(rows * channels, 4)),
        uz(RandomFloats(rows * 2 * channels, 5)),
        bc(RandomFloats(rows * bc_stride(), 6)),
        state(RandomFloats(channels * n, 7)) {
    PackScanA(a_log.data(), channels, n, channels, a.data());
    params = {channels,     n,           a.data(),    d.data(), channels, channels,
              2 * channels, bc_stride(), bc_stride(), channels};
  }

  int64_t bc_stride() const { return 3 + 2 * n; }
  SelectiveScanSegment Segment(int64_t first, int64_t count, AlignedBuffer& y,
                               AlignedBuffer& h) const {
    return {count,
            delta.data() + first * channels,
            u.data() + first * channels,
            uz.data() + first * 2 * channels + channels,
            bc.data() + first * bc_stride() + 3,
            bc.data() + first * bc_stride() + 3 + n,
            y.data() + first * channels,
            h.data()};
  }

  int64_t channels;
  int64_t n;
  int64_t rows;
  AlignedBuffer a_log;
  AlignedBuffer a;
  AlignedBuffer d;
  AlignedBuffer delta;
  AlignedBuffer u;
  AlignedBuffer uz;
  AlignedBuffer bc;
  AlignedBuffer state;
  SelectiveScanParams params;
};

struct Result {
  AlignedBuffer y;
  AlignedBuffer state;
};

Result RunInChunks(const Sequence& sequence, int64_t first_chunk, int64_t chunk, ThreadPool& pool) {
  Result result = {AlignedBuffer(static_cast<size_t>(sequence.rows * sequence.channels)),
                   Copy(sequence.state)};
  for (int64_t row = 0; row < sequence.rows;) {
    const int64_t count = std::min(row == 0 ? first_chunk : chunk, sequence.rows - row);
    const SelectiveScanSegment segment = sequence.Segment(row, count, result.y, result.state);
    RunSelectiveScan(sequence.params, {&segment, 1}, pool);
    row += count;
  }
  return result;
}

// One channel in double, as the header's formula says it.
void CheckChannel(const Sequence& s, int64_t c, const Result& result) {
  std::vector<double> h(static_cast<size_t>(s.n));
  const auto state_at = [&](const AlignedBuffer& state, int64_t n) {
    return state.data()[(c / 16 * s.n + n) * 16 + c % 16];
  };
  for (int64_t n = 0; n < s.n; ++n) h[static_cast<size_t>(n)] = state_at(s.state, n);
  for (int64_t t = 0; t < s.rows; ++t) {
    const double dt = s.delta.data()[t * s.channels + c];
    const double delta = dt > 20 ? dt : std::log1p(std::exp(dt));
    const double u = s.u.data()[t * s.channels + c];
    const double z = s.uz.data()[t * 2 * s.channels + s.channels + c];
    const float* b = s.bc.data() + t * s.bc_stride() + 3;
    double y = s.d.data()[c] * u;
    double magnitude = std::abs(y);
    for (int64_t n = 0; n < s.n; ++n) {
      const double a = -std::exp(s.a_log.data()[c * s.n + n]);
      double& state = h[static_cast<size_t>(n)];
      state = std::exp(delta * a) * state + delta * u * b[n];
      y += b[s.n + n] * state;
      magnitude += std::abs(b[s.n + n] * state);
    }
    const double gate = z / (1 + std::exp(-z));
    ASSERT_NEAR(result.y.data()[t * s.channels + c], y * gate, 3e-6 * magnitude * std::abs(gate))
        << "channel " << c << " row " << t;
  }
  for (int64_t n = 0; n < s.n; ++n) {
    const double expected = h[static_cast<size_t>(n)];
    ASSERT_NEAR(state_at(result.state, n), expected, 3e-6 * (1 + std::abs(expected)));
  }
}

TEST(SelectiveScanTest, MatchesTheFormulaInDouble) {
  ThreadPool pool(2);
  for (const std::string_view target : SupportedKernelTargets()) {
    const ScopedKernelTarget scoped(target);
    for (const int64_t states : {1, 3, 8, 16, 32}) {
      const Sequence sequence(48, states, 70);
      const Result result = RunInChunks(sequence, 70, 70, pool);
      for (int64_t c = 0; c < 48; ++c) CheckChannel(sequence, c, result);
    }
  }
}

TEST(SelectiveScanTest, HasTheSameBitsHoweverItIsCut) {
  ThreadPool one(1);
  ThreadPool two(2);
  for (const int64_t states : {3, 8, 16, 32}) {
    const Sequence sequence(48, states, 53);
    const Result expected = RunInChunks(sequence, 53, 53, one);
    for (const std::string_view target : SupportedKernelTargets()) {
      const ScopedKernelTarget scoped(target);
      for (const int64_t chunk : {1, 2, 3, 4, 5, 16, 17, 31, 53}) {
        for (ThreadPool* pool : {&one, &two}) {
          const Result result = RunInChunks(sequence, 7, chunk, *pool);
          EXPECT_TRUE(SameBits(result.y, expected.y)) << target << " " << states << " " << chunk;
          EXPECT_TRUE(SameBits(result.state, expected.state)) << target << " chunk " << chunk;
        }
      }
    }
  }
}

TEST(SelectiveScanTest, KeepsSegmentsApart) {
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    const Sequence sequence(32, 16, 12);
    const Result expected = RunInChunks(sequence, 12, 12, pool);
    Sequence poison(32, 16, 30);
    for (AlignedBuffer* values :
         {&poison.delta, &poison.u, &poison.uz, &poison.bc, &poison.state}) {
      Poison(values->span());
    }
    for (int64_t place = 0; place < 3; ++place) {
      Result result = {AlignedBuffer(12 * 32), Copy(sequence.state)};
      AlignedBuffer poison_y(30 * 32);
      AlignedBuffer poison_states[] = {Copy(poison.state), Copy(poison.state)};
      std::vector<SelectiveScanSegment> segments = {
          poison.Segment(0, 30, poison_y, poison_states[0]),
          poison.Segment(0, 0, poison_y, poison_states[1])};
      segments.insert(segments.begin() + place, sequence.Segment(0, 12, result.y, result.state));
      RunSelectiveScan(sequence.params, segments, pool);
      EXPECT_TRUE(SameBits(result.y, expected.y)) << threads << " threads, place " << place;
      EXPECT_TRUE(SameBits(result.state, expected.state));
      EXPECT_TRUE(SameBits(poison_states[1], poison.state)) << "a segment without rows";
    }
  }
}

TEST(SelectiveScanTest, MayWriteOverItsInputs) {
  ThreadPool pool(2);
  const Sequence sequence(32, 16, 40);
  const Result expected = RunInChunks(sequence, 40, 40, pool);
  for (const bool over_delta : {false, true}) {
    AlignedBuffer y = Copy(over_delta ? sequence.delta : sequence.u);
    AlignedBuffer state = Copy(sequence.state);
    SelectiveScanSegment segment = sequence.Segment(0, 40, y, state);
    (over_delta ? segment.delta : segment.u) = y.data();
    RunSelectiveScan(sequence.params, {&segment, 1}, pool);
    EXPECT_TRUE(SameBits(y, expected.y));
  }
}

// One state, one row, one channel's values in all lanes; returns what becomes of the state.
class SingleStep {
 public:
  float State(float dt, float u, float before, float a) {
    AlignedBuffer values[6];
    const float numbers[] = {dt, u, /*z=*/1, /*b=*/1, before, a};
    for (int i = 0; i < 6; ++i) {
      values[i] = AlignedBuffer(16);
      std::fill(values[i].span().begin(), values[i].span().end(), numbers[i]);
    }
    AlignedBuffer y(16);
    const SelectiveScanSegment segment = {1,
                                          values[0].data(),
                                          values[1].data(),
                                          values[2].data(),
                                          values[3].data(),
                                          values[3].data(),
                                          y.data(),
                                          values[4].data()};
    RunSelectiveScan({16, 1, values[5].data(), zero_.data(), 16, 16, 16, 1, 1, 16}, {&segment, 1},
                     pool_);
    return values[4][15];
  }

 private:
  ThreadPool pool_{1};
  AlignedBuffer zero_{16};
};

TEST(SelectiveScanTest, TakesSoftplusOfAnyMagnitude) {
  SingleStep step;
  for (const std::string_view target : SupportedKernelTargets()) {
    const ScopedKernelTarget scoped(target);
    for (float dt = -85; dt < 90; dt += 0.037F) {
      const double expected = std::log1p(std::exp(double{dt}));
      // u = 1, B = 1, no state before: delta itself.
      ASSERT_NEAR(step.State(dt, 1, 0, -1), expected, 6e-7 * expected) << target << " " << dt;
    }
    EXPECT_EQ(step.State(20.5F, 1, 0, -1), 20.5F);
    EXPECT_EQ(step.State(-200, 1, 0, -1), 0.0F);
  }
}

TEST(SelectiveScanTest, DecaysByAnyPowerOfTwo) {
  SingleStep step;
  for (const std::string_view target : SupportedKernelTargets()) {
    const ScopedKernelTarget scoped(target);
    for (float exponent = -0.001F; exponent > -125; exponent *= 1.013F) {
      // delta = 32 exactly, and no input.
      const float a = exponent / 32;
      const double expected = std::exp2(double{a} * 32);
      ASSERT_NEAR(step.State(32, 0, 1, a), expected, 2.5e-7 * expected) << target << " " << a;
    }
    EXPECT_EQ(step.State(32, 0, 1, 0), 1.0F);
    EXPECT_EQ(step.State(32, 0, 1, -126.0F / 32), std::ldexp(1.0F, -126));
    for (const float exponent : {-126.001F, -126.4F, -126.6F, -127.0F, -150.0F, -1e4F, -1e30F}) {
      EXPECT_EQ(step.State(32, 0, 1, exponent / 32), 0.0F) << target << " " << exponent;
    }
  }
}

TEST(SelectiveScanTest, PacksAWithPaddingChannelsAsZeros) {
  const float a_log[] = {0, 1, 2, 3, 4, 5};
  AlignedBuffer packed = RandomFloats(2 * 16, 1);
  PackScanA(a_log, /*channels=*/3, /*state_size=*/2, /*padded_channels=*/16, packed.data());
  for (int64_t n = 0; n < 2; ++n) {
    for (int64_t c = 0; c < 16; ++c) {
      const double expected = c < 3 ? -std::exp(a_log[c * 2 + n]) / std::log(2.0) : 0;
      EXPECT_NEAR(packed.data()[n * 16 + c], expected, 1e-6 * std::abs(expected));
    }
  }
}

}  // namespace
}  // namespace scanserve::ops
