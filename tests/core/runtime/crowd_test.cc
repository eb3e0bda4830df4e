// Many requests of all kinds at once, against each of them alone: the same bits.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/core/runtime/golden_files.h"
#include "tests/core/runtime/held_engine.h"
#include "tests/core/runtime/same_bits.h"

namespace scanserve::runtime {
namespace {

constexpr int kRequests = 200;
constexpr int kClients = 4;

struct World {
  std::shared_ptr<const model::LanguageModel> model;
  // The base model first, as null.
  std::vector<std::shared_ptr<const model::Adapter>> adapters;
};

World TinyWorld() {
  constexpr const char* kFolder = "tests/golden/checkpoints/odd_vocabulary";
  World world = {LoadModel(kFolder), {nullptr}};
  for (const char* name : {"all_modules", "dt_proj_only"}) {
    world.adapters.push_back(LoadAdapter(kFolder, name, world.model->config));
  }
  return world;
}

World EmbeddedWorld() {
  World world = {EmbeddedModel(), {nullptr}};
  for (const char* name : {"kjv", "devil"}) {
    world.adapters.push_back(LoadAdapter("models/scanserve-6m", name, world.model->config));
  }
  return world;
}

// One request, and after how many events its client goes away, if it does.
struct Visit {
  AnyRequest request;
  std::optional<int> leaves_after;
};

// Requests of all kinds, lengths, adapters, orders, priorities and endings.
class VisitMaker {
 public:
  explicit VisitMaker(const World& world) : world_(world) {
    for (const int64_t length : {5, 40, 90}) orders_.push_back(RandomOrder(length, random_));
    // A system prompt that many share.
    shared_ = RandomTokens(*world.model, 70, random_);
  }

  Visit Next() {
    Visit visit;
    switch (Pick(6)) {
      case 0:
        visit.request = Scoring();
        break;
      case 1:
        visit.request = Extraction();
        break;
      default:
        visit.request = Generation();
    }
    if (Pick(6) != 0) return visit;
    visit.leaves_after = Pick(6);
    // Of several answers at once it would see more of one or of another.
    if (auto* generate = std::get_if<GenerateRequest>(&visit.request)) generate->n = 1;
    return visit;
  }

 private:
  int Pick(int count) { return std::uniform_int_distribution<int>(0, count - 1)(random_); }

  RequestBasics Basics() {
    RequestBasics basics;
    basics.adapter = world_.adapters[static_cast<size_t>(Pick(3))];
    basics.priority = Pick(2) == 0 ? Priority::kNormal : Priority::kLow;
    basics.caller = absl::StrCat("caller", Pick(3));
    if (Pick(2) == 0) return basics;
    basics.scan.order = orders_[static_cast<size_t>(Pick(3))];
    if (Pick(3) == 0) basics.scan.target_layers = {0, 2};
    if (Pick(2) == 0) basics.scan.readout = order::Readout::kPinLast;
    return basics;
  }

  std::vector<int32_t> Text() {
    std::vector<int32_t> tokens;
    if (Pick(2) == 0) tokens = shared_;
    const auto own = RandomTokens(*world_.model, 1 + Pick(Pick(4) == 0 ? 300 : 60), random_);
    tokens.insert(tokens.end(), own.begin(), own.end());
    return tokens;
  }

  AnyRequest Generation() {
    GenerateRequest request;
    request.basics = Basics();
    request.prompt = Text();
    request.n = Pick(5) == 0 ? 1 + Pick(4) : 1;
    request.prompt_logprobs = Pick(6) == 0;
    SamplingParameters& sampling = request.sampling;
    sampling.max_new_tokens = 1 + Pick(24);
    sampling.temperature = static_cast<float>(Pick(3)) * 0.6F;
    sampling.top_k = Pick(2) * 20;
    sampling.top_p = Pick(2) == 0 ? 1.0F : 0.9F;
    sampling.min_p = Pick(3) == 0 ? 0.02F : 0.0F;
    sampling.repetition_penalty = Pick(3) == 0 ? 1.2F : 1.0F;
    sampling.frequency_penalty = Pick(3) == 0 ? 0.5F : 0.0F;
    sampling.seed = static_cast<uint64_t>(Pick(1000));
    sampling.logprobs = Pick(2) == 0;
    sampling.top_logprobs = sampling.logprobs ? Pick(4) : 0;
    if (Pick(3) == 0) sampling.stop_strings = {"e", " the", "Q"};
    if (Pick(3) == 0) sampling.stop_token_ids = {Pick(90), Pick(90)};
    if (Pick(3) == 0) sampling.eos_token_ids = {Pick(90)};
    return request;
  }

  AnyRequest Scoring() {
    ScoreRequest request;
    request.basics = Basics();
    request.tokens = Text();
    request.mode = static_cast<PerplexityMode>(Pick(3));
    request.prefix_tokens = 40;
    request.window_tokens = 20 + Pick(40);
    request.stride_tokens = 10;
    request.per_token = Pick(2) == 0;
    if (request.mode == PerplexityMode::kSliding) request.basics.scan = AppliedScan();
    return request;
  }

  AnyRequest Extraction() {
    ExtractRequest request;
    request.basics = Basics();
    request.tokens = Text();
    request.kind = static_cast<HiddenStateKind>(Pick(3));
    if (request.kind != HiddenStateKind::kFinalNorm) request.layers = {0, 2};
    request.end_position = static_cast<int64_t>(request.tokens.size());
    request.begin_position = request.end_position / 2;
    return request;
  }

  const World& world_;
  std::mt19937 random_{20};
  std::vector<std::shared_ptr<const order::ScanOrder>> orders_;
  std::vector<int32_t> shared_;
};

// Which answer an event belongs to; -1 to none of several.
int32_t ChoiceOf(const Event& event) {
  if (const auto* delta = std::get_if<Delta>(&event)) return delta->choice;
  if (const auto* finished = std::get_if<Finished>(&event)) return finished->choice;
  return -1;
}

// What comes until the client leaves, to the bit, choice by choice; the rest is of no account.
std::string BitsUntilLeaving(RequestStream& stream, std::optional<int> leaves_after) {
  std::map<int32_t, Answer> answers;
  bool ended = false;
  for (int events = 0; !ended && events != leaves_after; ++events) {
    Event event = stream.Wait();
    ended = std::holds_alternative<Ended>(event);
    AddEvent(std::move(event), answers[ChoiceOf(event)]);
  }
  if (!ended) {
    stream.Cancel();
    while (!std::holds_alternative<Ended>(stream.Wait())) {
    }
  } else if (!leaves_after.has_value()) {
    EXPECT_TRUE(answers[-1].ended.status.ok()) << answers[-1].ended.status;
  }
  std::string bits;
  for (const auto& [choice, answer] : answers) bits += absl::StrCat("|", choice, "|", Bits(answer));
  return bits;
}

std::vector<std::string> QuietBits(const World& world, const std::vector<Visit>& visits) {
  EngineOptions options;
  options.threads = 1;
  options.prefix_cache_bytes = 0;
  const auto engine = Engine::Create(options, world.model);
  std::vector<std::string> bits;
  for (const Visit& visit : visits) {
    bits.push_back(BitsUntilLeaving(*Submit(*engine, visit.request), visit.leaves_after));
  }
  return bits;
}

EngineOptions CrowdedOptions() {
  EngineOptions options;
  options.threads = 2;
  options.state_slots = 24;
  options.step_tokens = 96;
  options.prompt_chunk_tokens = 17;
  options.queued_requests = kRequests;
  options.stream_events = 3;
  options.stall_park = absl::Milliseconds(1);
  // Readers are as slow as the machine: under sanitizers, very.
  options.stall_limit = absl::Hours(1);
  options.prefix_cache_bytes = 8 << 20;
  options.prefix_block_tokens = 16;
  options.poison_freed_state = true;
  return options;
}

std::vector<std::string> CrowdedBits(const World& world, const std::vector<Visit>& visits) {
  const auto engine = Engine::Create(CrowdedOptions(), world.model);
  std::vector<std::string> bits(visits.size());
  std::atomic<size_t> next{0};
  const auto client = [&] {
    // Each holds some open at once and reads them one after the other, so that readers are slow.
    constexpr size_t kOpen = 12;
    for (size_t begin; (begin = next.fetch_add(kOpen)) < visits.size();) {
      const size_t end = std::min(begin + kOpen, visits.size());
      std::vector<std::shared_ptr<RequestStream>> streams;
      for (size_t i = begin; i < end; ++i) streams.push_back(Submit(*engine, visits[i].request));
      for (size_t i = begin; i < end; ++i) {
        bits[i] = BitsUntilLeaving(*streams[i - begin], visits[i].leaves_after);
      }
    }
  };
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) clients.emplace_back(client);
  for (std::thread& thread : clients) thread.join();
  const EngineStats stats = engine->stats();
  EXPECT_EQ(stats.slots_used, 0);
  EXPECT_EQ(stats.running, 0);
  EXPECT_EQ(stats.queued, 0);
  EXPECT_EQ(stats.queued_tokens, 0);
  EXPECT_EQ(stats.parked, 0);
  EXPECT_EQ(stats.parked_bytes, 0);
  EXPECT_EQ(stats.extraction_bytes, 0);
  return bits;
}

void ExpectCrowdGetsQuietAnswers(const World& world) {
  std::vector<Visit> visits;
  VisitMaker maker(world);
  for (int i = 0; i < kRequests; ++i) visits.push_back(maker.Next());
  const std::vector<std::string> quiet = QuietBits(world, visits);
  const std::vector<std::string> crowded = CrowdedBits(world, visits);
  for (size_t i = 0; i < visits.size(); ++i) {
    EXPECT_TRUE(quiet[i] == crowded[i]) << "request " << i << " of " << visits.size();
  }
}

TEST(CrowdTest, EachOfManyOnATinyModelGetsItsQuietAnswer) {
  ExpectCrowdGetsQuietAnswers(TinyWorld());
}

TEST(CrowdTest, EachOfManyOnTheEmbeddedModelGetsItsQuietAnswer) {
  ExpectCrowdGetsQuietAnswers(EmbeddedWorld());
}

}  // namespace
}  // namespace scanserve::runtime
