// Speed of the kernels beside LibTorch's products and this machine's memory, as a table.
//
//   bench_kernels [threads]        default 2
//
// Weights are cold: each product goes over enough copies of them to leave the caches. The
// candidates take turns, round after round, and the medians are printed. GB/s counts the weights as
// read once;
// "% read" is that in parts of what the same threads read from memory when they do nothing else.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/base/thread_pool.h"
#include "core/ops/conv1d.h"
#include "core/ops/kernel_target.h"
#include "core/ops/linear.h"
#include "core/ops/rms_norm.h"
#include "core/ops/selective_scan.h"
#include "core/ops/torch_linear.h"

namespace scanserve {
namespace {

using base::AlignedBuffer;
using base::ThreadPool;

constexpr int kRounds = 7;
constexpr int64_t kColdBytes = int64_t{96} << 20;

AlignedBuffer RandomFloats(int64_t size) {
  static std::mt19937 generator(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  AlignedBuffer values(static_cast<size_t>(size));
  for (float& value : values.span()) value = uniform(generator);
  return values;
}

// The median time of each candidate, in seconds, taken in turns.
std::vector<double> MedianSeconds(const std::vector<std::function<void()>>& candidates) {
  std::vector<std::vector<double>> times(candidates.size());
  for (int round = -1; round < kRounds; ++round) {
    for (size_t i = 0; i < candidates.size(); ++i) {
      const auto start = std::chrono::steady_clock::now();
      candidates[i]();
      const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
      if (round >= 0) times[i].push_back(time.count());  // round -1 warms up
    }
  }
  std::vector<double> medians;
  for (std::vector<double>& of_one : times) {
    std::sort(of_one.begin(), of_one.end());
    medians.push_back(of_one[of_one.size() / 2]);
  }
  return medians;
}

double ReadBytesPerSecond(ThreadPool& pool) {
  constexpr int64_t kFloats = int64_t{64} << 20;
  constexpr int64_t kLine = 16;
  const AlignedBuffer memory = RandomFloats(kFloats);
  std::atomic<int64_t> negative_threads{0};
  const double seconds = MedianSeconds({[&] {
    pool.ParallelFor(kFloats / kLine, kFloats / kLine, [&](int64_t begin, int64_t end) {
      float sums[kLine] = {};
      for (const float* line = memory.data() + begin * kLine; begin < end; ++begin, line += kLine) {
        for (int64_t i = 0; i < kLine; ++i) sums[i] += line[i];
      }
      // So that the sums are not optimised away.
      negative_threads += std::count_if(sums, sums + kLine, [](float s) { return s < 0; }) > 8;
    });
  }})[0];
  return static_cast<double>(kFloats * 4) / seconds;
}

using Copies = std::vector<std::unique_ptr<ops::Linear>>;

Copies MakeCopies(ops::LinearShape shape, const ops::LinearFactory& make) {
  const AlignedBuffer weight = RandomFloats(shape.out_features * shape.in_features);
  const auto read = [&](int64_t n, float* row) {
    std::copy_n(weight.data() + n * shape.in_features, shape.in_features, row);
  };
  Copies copies;
  for (int64_t bytes = 0; bytes < kColdBytes; bytes += copies.back()->weight_bytes()) {
    copies.push_back(make(shape, read, nullptr));
  }
  return copies;
}

void BenchLinear(ops::LinearShape shape, double read_ceiling, ThreadPool& pool) {
  const Copies packed = MakeCopies(shape, &ops::MakePackedLinear);
  const Copies torch = MakeCopies(shape, &ops::MakeTorchLinear);
  for (const int64_t rows : {1, 4, 16, 64, 512}) {
    const AlignedBuffer x = RandomFloats(rows * shape.in_features);
    AlignedBuffer y(static_cast<size_t>(rows * shape.out_features));
    const size_t runs = std::min<size_t>(packed.size(), rows > 16 ? 2 : packed.size());
    const auto candidate = [&](const Copies& copies) {
      return [&] {
        for (size_t i = 0; i < runs; ++i) {
          copies[i]->Run({x.data(), shape.in_features, y.data(), shape.out_features, rows, false},
                         pool);
        }
      };
    };
    const std::vector<double> seconds = MedianSeconds({candidate(packed), candidate(torch)});
    const double ours = seconds[0] / static_cast<double>(runs);
    const double theirs = seconds[1] / static_cast<double>(runs);
    const double weights = static_cast<double>(shape.out_features * shape.in_features);
    const double gflop = 2e-9 * weights * static_cast<double>(rows);
    std::printf("%6ld x %-5ld %4ld %10.1f %8.1f %7.1f %7.0f %12.1f %8.2f\n", shape.out_features,
                shape.in_features, rows, ours * 1e6, gflop / ours, weights * 4e-9 / ours,
                weights * 400 / ours / read_ceiling, gflop / theirs, theirs / ours);
  }
}

// One layer of mamba-130m over 512 tokens.
void BenchMixer(ThreadPool& pool) {
  constexpr int64_t kRows = 512;
  constexpr int64_t kChannels = 1536;
  constexpr int64_t kStates = 16;
  constexpr int64_t kDtBC = 48 + 2 * kStates;
  AlignedBuffer uz = RandomFloats(kRows * 2 * kChannels);
  AlignedBuffer delta = RandomFloats(kRows * kChannels);
  for (float& value : delta.span()) value -= 3;
  const AlignedBuffer dt_b_c = RandomFloats(kRows * kDtBC);
  AlignedBuffer a(kChannels * kStates);
  ops::PackScanA(RandomFloats(kChannels * kStates).data(), kChannels, kStates, kChannels, a.data());
  const AlignedBuffer d = RandomFloats(kChannels);
  const AlignedBuffer conv_weight = RandomFloats(kChannels * 4);
  AlignedBuffer conv_state(kChannels * 3);
  AlignedBuffer state(kChannels * kStates);
  AlignedBuffer u(kRows * kChannels);
  AlignedBuffer y(kRows * kChannels);

  const ops::Conv1dSegment conv = {kRows, uz.data(), u.data(), conv_state.data()};
  const ops::SelectiveScanSegment scan = {kRows,
                                          delta.data(),
                                          u.data(),
                                          uz.data() + kChannels,
                                          dt_b_c.data() + 48,
                                          dt_b_c.data() + 48 + kStates,
                                          y.data(),
                                          state.data()};
  const std::vector<double> seconds = MedianSeconds(
      {[&] {
         ops::RunConv1d({kChannels, 4, conv_weight.data(), d.data(), 2 * kChannels, kChannels},
                        {&conv, 1}, pool);
       },
       [&] {
         ops::RunSelectiveScan({kChannels, kStates, a.data(), d.data(), kChannels, kChannels,
                                2 * kChannels, kDtBC, kDtBC, kChannels},
                               {&scan, 1}, pool);
       },
       [&] {
         ops::RmsNorm({u.data(), y.data(), d.data(), kRows, kChannels / 2, 1e-5F}, pool);
       }});
  std::printf("512 tokens of one layer: conv1d %.3f ms, scan %.3f ms, norm %.3f ms\n",
              seconds[0] * 1e3, seconds[1] * 1e3, seconds[2] * 1e3);
}

// What a loop costs that has nothing to do.
void BenchPool(ThreadPool& pool) {
  constexpr int kLoops = 2000;
  const double seconds = MedianSeconds({[&] {
    for (int i = 0; i < kLoops; ++i)
      pool.ParallelFor(pool.threads(), /*smallest_range=*/1, [](int64_t, int64_t) {});
  }})[0];
  std::printf("an empty parallel loop: %.2f us\n", seconds / kLoops * 1e6);
}

}  // namespace
}  // namespace scanserve

int main(int argc, char** argv) {
  using namespace scanserve;
  const int threads = argc > 1 ? std::atoi(argv[1]) : 2;
  if (threads < 1) {
    std::fprintf(stderr, "usage: bench_kernels [threads]\n");
    return 2;
  }
  base::ThreadPool pool(threads);
  ops::SetTorchThreads(threads);
  const double read_ceiling = ReadBytesPerSecond(pool);
  std::printf("kernels: %s, threads: %d, memory read: %.1f GB/s\n",
              std::string(ops::KernelTargetName()).c_str(), threads, read_ceiling * 1e-9);
  BenchPool(pool);
  BenchMixer(pool);
  std::printf("%14s %4s %10s %8s %7s %7s %12s %8s\n", "W", "rows", "us", "GFLOP/s", "GB/s",
              "% read", "LibTorch's", "speed-up");
  for (const ops::LinearShape shape :
       {ops::LinearShape{3072, 768}, ops::LinearShape{80, 1536}, ops::LinearShape{1536, 48},
        ops::LinearShape{768, 1536}, ops::LinearShape{50280, 768}}) {
    BenchLinear(shape, read_ceiling, pool);
  }
  return 0;
}
