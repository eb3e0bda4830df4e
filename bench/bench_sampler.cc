// The time that choosing a token takes beside the model: microseconds of processor time a token, by
// vocabulary and rules.
//
//   bench_sampler [rounds]        default 7
//
// 64 answers take turns, as in a full step, each with logits of its own. The candidates take turns
// too, round after round, and the medians are printed.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <random>
#include <vector>

#include "core/runtime/sampler.h"

namespace scanserve::runtime {
namespace {

constexpr int kAnswers = 64;
constexpr int kSteps = 5;

struct Rules {
  const char* name;
  SamplingParameters parameters;
};

std::vector<Rules> AllRules() {
  SamplingParameters plain;
  plain.seed = 1;
  SamplingParameters greedy = plain;
  greedy.temperature = 0;
  SamplingParameters usual = plain;
  usual.temperature = 0.8F;
  usual.top_k = 50;
  usual.top_p = 0.95F;
  SamplingParameters nucleus = usual;
  nucleus.top_k = 0;
  SamplingParameters penalties = usual;
  penalties.repetition_penalty = 1.1F;
  penalties.frequency_penalty = 0.2F;
  SamplingParameters logprobs = usual;
  logprobs.logprobs = true;
  logprobs.top_logprobs = 20;
  return {{"greedy", greedy},    {"top_k 50, top_p 0.95", usual}, {"top_p 0.95", nucleus},
          {"all tokens", plain}, {"with penalties", penalties},   {"with 20 logprobs", logprobs}};
}

// Spread as a language model's: a long tail, and a few likely ones.
std::vector<float> RandomLogits(size_t vocabulary, uint32_t seed) {
  constexpr int kLikely = 30;
  std::mt19937 random(seed);
  std::normal_distribution<float> tail(0, 2.5F);
  std::uniform_real_distribution<float> raise(6, 14);
  std::vector<float> logits(vocabulary);
  for (float& logit : logits) logit = tail(random);
  for (int i = 0; i < kLikely; ++i) logits[random() % vocabulary] += raise(random);
  return logits;
}

// Of this thread: what else the machine does is not in it.
double ProcessorMicroseconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) * 1e-3;
}

double MicrosecondsPerToken(const Rules& rules, const std::vector<std::vector<float>>& logits,
                            const std::vector<bool>& selectable) {
  std::vector<int32_t> prompt(500);
  for (size_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<int32_t>(i * 7 % 4'000);
  std::vector<Sampler> samplers;
  for (int i = 0; i < kAnswers; ++i) samplers.emplace_back(rules.parameters, selectable, prompt);
  const double start = ProcessorMicroseconds();
  for (int step = 0; step < kSteps; ++step) {
    for (size_t i = 0; i < samplers.size(); ++i) samplers[i].Next(logits[i]);
  }
  return (ProcessorMicroseconds() - start) / (kSteps * kAnswers);
}

void Measure(size_t vocabulary, int rounds) {
  const std::vector<bool> selectable(vocabulary, true);
  std::vector<std::vector<float>> logits;
  for (uint32_t i = 0; i < kAnswers; ++i) logits.push_back(RandomLogits(vocabulary, i));
  const std::vector<Rules> all_rules = AllRules();
  std::vector<std::vector<double>> times(all_rules.size());
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < all_rules.size(); ++i) {
      times[i].push_back(MicrosecondsPerToken(all_rules[i], logits, selectable));
    }
  }
  for (size_t i = 0; i < all_rules.size(); ++i) {
    std::sort(times[i].begin(), times[i].end());
    std::printf("%10zu  %-22s %8.1f us/token\n", vocabulary, all_rules[i].name,
                times[i][times[i].size() / 2]);
  }
}

}  // namespace
}  // namespace scanserve::runtime

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 7;
  std::printf("vocabulary  rules                       time\n");
  for (const size_t vocabulary : {4'096, 50'280}) {
    scanserve::runtime::Measure(vocabulary, rounds);
  }
  return 0;
}
