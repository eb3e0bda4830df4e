// Results of an experiment that is read while its requests go on, by one client or by many.
#include <string>

#include "server/convert_experiment.h"
#include "server/experiment_table.h"
#include "tests/server/experiment_fixture.h"

namespace scanserve::server {
namespace {

using experiment::Statistics;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class ExperimentReadingTest : public ExperimentTest {
 protected:
  // Counts how often results are computed.
  ExperimentReading Read(absl::Time now, const std::string& id = "") {
    const auto reading = server_->backend().experiments().Read(id, now, [this](const auto& all) {
      ++computed_;
      return ExperimentResultsToProto(all);
    });
    EXPECT_TRUE(reading.ok()) << reading.status();
    return reading.value_or(ExperimentReading{});
  }

  // As requests of so many units would that came before.
  void Expose(int units) {
    const auto running = server_->backend().experiments().running();
    for (int i = 0; i < units; ++i) running->Expose(*running->Assign(UnitName(exposed_++), ""));
  }

  static int64_t UnitsIn(const ExperimentReading& reading) {
    return reading.results->arms(0).units() + reading.results->arms(1).units();
  }

  int computed_ = 0;

 private:
  int exposed_ = 0;
};

TEST_F(ExperimentReadingTest, RequestsGoOnWhileResultsAreComputed) {
  ASSERT_TRUE(Create().ok());
  ArmOf("ann");
  const auto reading =
      server_->backend().experiments().Read("", kNow, [this](const Statistics& statistics) {
        EXPECT_EQ(statistics.sample_ratio().units(), 1);
        grpc::ClientContext context;
        // If it waited for us it would wait for ever.
        context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Minutes(1)));
        const auto reader = inference_->Generate(&context, RequestOf("bob"));
        v1::GenerateResponse response;
        while (reader->Read(&response)) {
        }
        EXPECT_TRUE(reader->Finish().ok());
        server_->backend().experiments().Save();
        EXPECT_EQ(statistics.sample_ratio().units(), 1);
        return ExperimentResultsToProto(statistics);
      });
  ASSERT_TRUE(reading.ok()) << reading.status();
  EXPECT_EQ(UnitsIn(*reading), 1);
  const v1::ExperimentResults now = Get().results();
  EXPECT_EQ(now.arms(0).units() + now.arms(1).units(), 2);
}

TEST_F(ExperimentReadingTest, ReadersShareWhatWasComputedUntilSomethingChanges) {
  ASSERT_TRUE(Create().ok());
  Expose(1);
  const ExperimentReading first = Read(kNow);
  EXPECT_EQ(Read(kNow + absl::Hours(1)).results, first.results);
  EXPECT_EQ(computed_, 1);
  Expose(1);
  EXPECT_EQ(UnitsIn(Read(kNow + absl::Hours(1))), 2);
  EXPECT_EQ(UnitsIn(Read(kNow + absl::Hours(2), "trial")), 2);
  EXPECT_EQ(computed_, 2);
}

TEST_F(ExperimentReadingTest, OfManyUnitsTheyShareItForAWhile) {
  ASSERT_TRUE(Create().ok());
  Expose(2'000);
  EXPECT_EQ(UnitsIn(Read(kNow)), 2'000);
  Expose(1'000);
  EXPECT_EQ(UnitsIn(Read(kNow + absl::Microseconds(2'999))), 2'000);
  EXPECT_EQ(computed_, 1);
  EXPECT_EQ(UnitsIn(Read(kNow + absl::Microseconds(3'000))), 3'000);
  Expose(1'000);
  // Whoever sets the clock back.
  EXPECT_EQ(UnitsIn(Read(kNow)), 4'000);
  EXPECT_EQ(computed_, 3);
}

TEST_F(ExperimentReadingTest, WhatHasEndedIsExactAndComputedOnce) {
  ASSERT_TRUE(Create().ok());
  Expose(2'000);
  EXPECT_EQ(UnitsIn(Read(kNow)), 2'000);
  Expose(1'000);
  server_->backend().experiments().running()->End({});
  const ExperimentReading ended = Read(kNow);
  EXPECT_EQ(UnitsIn(ended), 3'000);
  EXPECT_TRUE(ended.record.stop.has_value());
  ASSERT_TRUE(Stop("trial").ok());
  EXPECT_EQ(Read(kNow, "trial").results, ended.results);
  EXPECT_EQ(computed_, 2);
}

TEST_F(ExperimentReadingTest, WhatIsReadFromTheDiskIsComputedOnce) {
  ASSERT_TRUE(Create().ok());
  Expose(10);
  EXPECT_EQ(UnitsIn(Read(kNow)), 10);
  ASSERT_TRUE(Stop("trial").ok());
  const ExperimentReading ended = Read(kNow, "trial");
  EXPECT_EQ(UnitsIn(ended), 10);
  EXPECT_EQ(Read(kNow + absl::Hours(1), "trial").results, ended.results);
  EXPECT_EQ(computed_, 2);
  // Another is not taken for it.
  design_.set_id("second");
  ASSERT_TRUE(Create().ok());
  EXPECT_EQ(UnitsIn(Read(kNow)), 0);
  EXPECT_EQ(UnitsIn(Read(kNow, "trial")), 10);
  EXPECT_EQ(computed_, 4);
}

}  // namespace
}  // namespace scanserve::server
