// Shadows and drift: what else an experiment scores, which changes no answer.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/server/experiment_fixture.h"

namespace scanserve::server {
namespace {

// An arm that serves nobody, whose prompts are scored in the background.
TEST_F(ExperimentTest, AShadowChangesNoAnswerAndComparesWhatCompareWould) {
  design_.mutable_arms(1)->set_weight(0);
  v1::GenerateRequest request = GreedyRequest(8);
  request.mutable_prompt()->set_text("And God said, Let there be light: and there was light.");
  request.set_unit_key("ann");
  const GenerateResult alone = Generate(*inference_, request);
  design_.mutable_arms(1)->set_shadow(10'000);
  ASSERT_TRUE(Create().ok());
  const GenerateResult shadowed = Generate(*inference_, request);
  EXPECT_EQ(shadowed.started.in_force().arm(), "control");
  EXPECT_EQ(shadowed.token_ids, alone.token_ids);
  while (Get().results().arms(1).shadow().scored() == 0) {
  }
  const v1::ShadowResults shadow = Get().results().arms(1).shadow();
  EXPECT_EQ(shadow.eligible(), 1);
  EXPECT_EQ(shadow.sampled(), 1);
  EXPECT_EQ(shadow.no_verdict_reason(), "");

  grpc::ClientContext context;
  const auto stream = inference_->Compare(&context);
  v1::CompareRequest message;
  v1::CompareSettings& settings = *message.mutable_settings();
  settings.set_prefix_tokens(shadowed.started.prompt_tokens() / 2);
  settings.mutable_a()->mutable_scan()->mutable_identity();
  settings.mutable_b()->mutable_scan()->mutable_setting()->mutable_order()->set_name("swaps");
  stream->Write(message);
  message.mutable_document()->mutable_content()->set_text(request.prompt().text());
  stream->Write(message);
  stream->WritesDone();
  v1::CompareResponse response;
  double difference = 0;
  int64_t tokens = 0;
  while (stream->Read(&response)) {
    if (!response.has_totals()) continue;
    difference = response.totals().estimate().difference();
    tokens = response.totals().estimate().tokens();
  }
  ASSERT_TRUE(stream->Finish().ok());
  EXPECT_EQ(shadow.estimate().difference(), difference);
  EXPECT_EQ(shadow.estimate().tokens(), tokens);
  EXPECT_NE(difference, 0);
}

// A third arm has no part in the pair.
TEST_F(ExperimentTest, DriftIsWhatPerplexityUnderBothArmsSaysOfTheAnswers) {
  design_.mutable_arms(1)->set_shadow(10'000);
  AddArm("other", 1)->mutable_scan()->mutable_identity();
  ASSERT_TRUE(Create().ok());
  v1::GenerateRequest request = GreedyRequest(12);
  const std::vector<int32_t> prompt = {70, 71, 72, 300, 301, 74, 75, 302};
  request.mutable_prompt()->mutable_token_ids()->mutable_ids()->Assign(prompt.begin(),
                                                                       prompt.end());
  std::map<std::string, std::vector<int32_t>> answers;
  std::map<std::string, int> requests;
  for (int i = 0; i < 15; ++i) {
    request.set_unit_key(UnitName(i));
    const GenerateResult result = Generate(*inference_, request);
    answers[result.started.in_force().arm()] = result.token_ids;
    ++requests[result.started.in_force().arm()];
  }
  ASSERT_EQ(requests.size(), 3u);
  while (!AllScored()) {
  }
  const v1::ShadowResults shadow = Get().results().arms(1).shadow();
  EXPECT_EQ(shadow.scored(), 15);
  const auto expect_drift = [&](const v1::Drift& drift, const std::string& writer, int wrote) {
    EXPECT_EQ(drift.answers(), requests[writer]);
    EXPECT_EQ(drift.units(), requests[writer]);
    EXPECT_EQ(drift.tokens(), 12 * requests[writer]);
    const double expected = NllOf(prompt, answers[writer], design_.arms(1 - wrote).scan()) -
                            NllOf(prompt, answers[writer], design_.arms(wrote).scan());
    EXPECT_NEAR(drift.nats_per_token(), expected, 1e-9) << writer;
    EXPECT_GT(expected, 0);
    EXPECT_GT(drift.other_choices(), 0);
    EXPECT_LE(drift.other_choices(), 1);
    // Too few units.
    EXPECT_FALSE(drift.has_low());
  };
  expect_drift(shadow.drift_of_control(), "control", 0);
  expect_drift(shadow.drift_of_arm(), "swaps", 1);
}

TEST_F(ExperimentTest, DriftIsOfTheFirstAnswerOfRequestsThatEndWell) {
  design_.mutable_arms(1)->set_weight(0);
  design_.mutable_arms(1)->set_shadow(10'000);
  ASSERT_TRUE(Create().ok());
  v1::GenerateRequest request = RequestOf("ann");
  request.mutable_sampling()->set_n(3);
  ASSERT_TRUE(Generate(*inference_, request).status.ok());
  request.mutable_sampling()->set_n(1);
  // Nothing is written, only read.
  request.set_prompt_logprobs(true);
  request.mutable_sampling()->set_max_new_tokens(0);
  ASSERT_TRUE(Generate(*inference_, request).status.ok());
  {
    grpc::ClientContext context;
    request.set_prompt_logprobs(false);
    request.mutable_sampling()->set_max_new_tokens(1'000);
    const auto reader = inference_->Generate(&context, request);
    v1::GenerateResponse response;
    while (reader->Read(&response) && !response.has_delta()) {
    }
    context.TryCancel();
    while (reader->Read(&response)) {
    }
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  while (Get().results().arms(0).requests() < 3 || !AllScored()) {
  }
  EXPECT_EQ(Get().results().arms(0).cancelled(), 1);
  const v1::Drift drift = Get().results().arms(1).shadow().drift_of_control();
  EXPECT_EQ(drift.answers(), 1);
  EXPECT_EQ(drift.tokens(), 3);
}

// Of prompts too short to be scored, by an arm whose answers differ: rules that would stop at once
// if the drift were a difference of prompts.
TEST_F(ExperimentTest, NoVerdictComesOfAnswers) {
  v1::ExperimentArm& other = *design_.mutable_arms(1);
  other.set_weight(0);
  other.set_shadow(10'000);
  other.mutable_scan()->mutable_identity();
  other.mutable_adapter()->mutable_ref()->set_name("kjv");
  design_.mutable_stop()->set_verdict(true);
  v1::Guardrail& guardrail = *design_.add_guardrails();
  guardrail.set_metric(v1::EXPERIMENT_METRIC_PERPLEXITY);
  ASSERT_TRUE(Create().ok());
  v1::GenerateRequest request = GreedyRequest(2);
  for (int i = 0; i < 110; ++i) {
    request.mutable_prompt()->mutable_token_ids()->clear_ids();
    request.mutable_prompt()->mutable_token_ids()->add_ids(300 + i);
    request.set_unit_key(UnitName(i));
    ASSERT_TRUE(Generate(*inference_, request).status.ok());
  }
  while (Get().results().arms(1).shadow().drift_of_control().scored() < 110) {
  }
  const v1::GetExperimentResponse response = Get();
  EXPECT_FALSE(response.experiment().has_stop());
  const v1::ShadowResults shadow = response.results().arms(1).shadow();
  EXPECT_GT(shadow.drift_of_control().low(), 0);
  EXPECT_EQ(shadow.dropped_unscorable(), 110);
  EXPECT_EQ(shadow.estimate().observations(), 0);
  EXPECT_EQ(shadow.estimate().verdict(), v1::COMPARE_VERDICT_UNDECIDED);
  EXPECT_FALSE(shadow.has_first_verdict());
  EXPECT_EQ(shadow.no_verdict_reason(), "");
}

TEST_F(ExperimentTest, DriftFromAnArmThatServesTheSameIsZero) {
  *design_.mutable_arms(1)->mutable_scan() = design_.arms(0).scan();
  design_.mutable_arms(1)->set_shadow(10'000);
  ASSERT_TRUE(Create().ok());
  for (int i = 0; i < 12; ++i) ArmOf(UnitName(i));
  while (!AllScored()) {
  }
  const v1::ShadowResults shadow = Get().results().arms(1).shadow();
  for (const v1::Drift& drift : {shadow.drift_of_control(), shadow.drift_of_arm()}) {
    EXPECT_GT(drift.scored(), 0);
    EXPECT_EQ(drift.nats_per_token(), 0);
    EXPECT_EQ(drift.other_choices(), 0);
    EXPECT_FALSE(drift.has_low());
  }
}

// The control alone has read the prompt for somebody.
TEST_F(ExperimentTest, ShadowsLeaveNothingInTheCache) {
  design_.mutable_arms(1)->set_weight(0);
  design_.mutable_arms(1)->set_shadow(10'000);
  ASSERT_TRUE(Create().ok());
  v1::GenerateRequest request = RequestOf("ann");
  for (int i = 0; i < 64; ++i) {
    request.mutable_prompt()->mutable_token_ids()->add_ids(300 + i % 7);
  }
  ASSERT_TRUE(Generate(*inference_, request).status.ok());
  while (!AllScored()) {
  }
  EXPECT_EQ(Get().results().arms(1).shadow().drift_of_control().scored(), 1);
  *request.mutable_scan() = design_.arms(1).scan();
  EXPECT_EQ(Generate(*inference_, request).started.cached_tokens(), 0);
  EXPECT_GT(Generate(*inference_, request).started.cached_tokens(), 0);
}

// The engine stands still with a request in it, so that shadows wait.
TEST_F(ExperimentTest, ShadowsWaitForRequestsAndAreDroppedFirst) {
  design_.mutable_arms(1)->set_weight(0);
  design_.mutable_arms(1)->set_shadow(10'000);
  ASSERT_TRUE(Create().ok());
  server_->gate().Close();
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::GenerateResponse>>> readers;
  for (int i = 0; i < 260; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(inference_->Generate(contexts.back().get(), RequestOf(UnitName(i))));
  }
  const auto shadow = [this] { return Get().results().arms(1).shadow(); };
  while (shadow().eligible() < 257) {
  }
  EXPECT_EQ(shadow().scored(), 0);
  EXPECT_GE(shadow().dropped_queue_full(), 1);
  server_->gate().Open();
  int answered = 0;
  for (auto& reader : readers) {
    v1::GenerateResponse response;
    while (reader->Read(&response)) {
    }
    answered += reader->Finish().ok();
  }
  EXPECT_EQ(answered, 260);
  bool took_turns = false;
  for (int64_t waiting = 260; waiting > 0;) {
    const v1::ShadowResults now = shadow();
    waiting = 260 - now.scored() - now.dropped_queue_full();
    const bool any_answer = now.drift_of_control().scored() > 0;
    // While half of the queue and more is full, prompts go first.
    EXPECT_FALSE(any_answer && waiting > 129) << waiting;
    took_turns = took_turns || (any_answer && waiting > 0);
  }
  EXPECT_TRUE(took_turns);
  while (!AllScoredOrDropped()) {
  }
  EXPECT_EQ(shadow().dropped_failed(), 0);
  EXPECT_EQ(shadow().drift_of_control().answers(), 260);
  EXPECT_GE(shadow().drift_of_control().scored(), 250);
  EXPECT_EQ(shadow().drift_of_control().dropped_failed(), 0);
}

}  // namespace
}  // namespace scanserve::server
