#include "server/readiness.h"

#include <gtest/gtest.h>

#include "absl/time/clock.h"

namespace scanserve::server {
namespace {

// An engine that only says how it is.
class StillEngine final : public runtime::Engine {
 public:
  using Stream = absl::StatusOr<std::shared_ptr<runtime::RequestStream>>;
  Stream Generate(runtime::GenerateRequest) override { return absl::UnimplementedError(""); }
  Stream Score(runtime::ScoreRequest) override { return absl::UnimplementedError(""); }
  Stream Extract(runtime::ExtractRequest) override { return absl::UnimplementedError(""); }
  runtime::EngineStats stats() const override { return said; }
  void CancelAll(absl::Status) override {}

  runtime::EngineStats said;
};

constexpr absl::Duration kTimeout = absl::Minutes(1);

class ReadinessTest : public testing::Test {
 protected:
  const absl::Time now_ = absl::Now();
  StillEngine engine_;
  Readiness readiness_{kTimeout};
};

TEST_F(ReadinessTest, IsLoadingThenReadyThenDraining) {
  EXPECT_EQ(readiness_.state(), Readiness::State::kLoading);
  readiness_.Serve(engine_);
  EXPECT_EQ(readiness_.state(), Readiness::State::kReady);
  readiness_.Drain();
  EXPECT_EQ(readiness_.state(), Readiness::State::kDraining);
  readiness_.StopServing();
  EXPECT_EQ(readiness_.state(), Readiness::State::kDraining);
}

TEST_F(ReadinessTest, IsStuckWhenRequestsWaitAndNoStepIsMade) {
  readiness_.Serve(engine_);
  engine_.said.last_step = now_ - 2 * kTimeout;
  engine_.said.waiting_since = now_ - 2 * kTimeout;
  EXPECT_TRUE(readiness_.stuck());
  EXPECT_EQ(readiness_.state(), Readiness::State::kStuck);
  readiness_.Drain();
  EXPECT_TRUE(readiness_.stuck());
  readiness_.StopServing();
  EXPECT_FALSE(readiness_.stuck());
}

TEST_F(ReadinessTest, IsStuckBeforeTheFirstStepToo) {
  readiness_.Serve(engine_);
  engine_.said.waiting_since = now_ - 2 * kTimeout;
  EXPECT_TRUE(readiness_.stuck());
}

TEST_F(ReadinessTest, IsAliveWhenNothingWaits) {
  readiness_.Serve(engine_);
  engine_.said.last_step = now_ - 100 * kTimeout;
  EXPECT_FALSE(readiness_.stuck());
}

TEST_F(ReadinessTest, IsAliveWhenARequestComesAfterALongRest) {
  readiness_.Serve(engine_);
  engine_.said.last_step = now_ - 100 * kTimeout;
  engine_.said.waiting_since = now_;
  EXPECT_FALSE(readiness_.stuck());
}

TEST_F(ReadinessTest, IsAliveWhenRequestsWaitForLongBehindSteps) {
  readiness_.Serve(engine_);
  engine_.said.last_step = now_;
  engine_.said.waiting_since = now_ - 100 * kTimeout;
  EXPECT_FALSE(readiness_.stuck());
}

TEST(ReadinessWordTest, IsOneWord) {
  EXPECT_EQ(ReadinessWord(Readiness::State::kLoading), "loading");
  EXPECT_EQ(ReadinessWord(Readiness::State::kReady), "ready");
  EXPECT_EQ(ReadinessWord(Readiness::State::kDraining), "draining");
  EXPECT_EQ(ReadinessWord(Readiness::State::kStuck), "stuck");
}

}  // namespace
}  // namespace scanserve::server
