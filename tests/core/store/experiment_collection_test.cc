// Experiments in the store: what a restart keeps, what is held, what damage does.
#include "core/store/experiment_collection.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "tests/core/store/store_test_base.h"

namespace scanserve::store {
namespace {

using experiment::Metric;
using testing::HasSubstr;

class ExperimentCollectionTest : public StoreTestBase {
 protected:
  void SetUp() override {
    StoreTestBase::SetUp();
    order_ = Put("tour", {1, 0, 2})->record;
  }

  ExperimentRecord Record(const std::string& id) const {
    ExperimentRecord record;
    record.design.id = id;
    record.design.salt = "salt";
    record.design.arms = {{"control", 9, 0}, {"tour", 1, 250}};
    record.design.exposure = 77;
    record.design.margin = .1;
    record.design.alpha = .01;
    record.design.guardrails = {{Metric::kErrors, .1 + .2}, {Metric::kPerplexity, 1. / 3}};
    record.design.stop.verdict = true;
    record.design.stop.max_time = absl::Nanoseconds(123'456'789'012'345);
    record.arms.resize(2);
    record.arms[1].scan.order_name = order_.name;
    record.arms[1].scan.order_version = order_.version;
    record.arms[1].scan.order_digest = order_.digest;
    record.arms[1].scan.target_layers = {0, 3};
    record.arms[1].adapter_name = "kjv";
    record.arms[1].adapter_version = 2;
    record.arms[1].adapter_digest = std::string(64, 'c');
    record.assignment = "murmur3-v2";
    record.created = absl::FromUnixNanos(1'800'000'000'123'456'789);
    return record;
  }

  experiment::Stop Guardrail() const {
    experiment::Stop stop;
    stop.reason = experiment::StopReason::kGuardrail;
    stop.time = absl::FromUnixNanos(1'800'000'001'000'000'001);
    stop.observations = 321;
    stop.arm = "tour";
    stop.metric = Metric::kErrors;
    stop.interval = compare::Interval{.low = .1};
    return stop;
  }

  ExperimentCollection& experiments() { return store_->experiments(); }

  OrderRecord order_;
};

TEST_F(ExperimentCollectionTest, ARestartKeepsEachFieldToTheBit) {
  const ExperimentRecord record = Record("trial");
  ASSERT_TRUE(experiments().Create(kModel, record, "none").ok());
  Reopen();
  ExperimentRecord read = experiments().Find(kModel, "trial").value();
  EXPECT_EQ(read.design, record.design);
  EXPECT_EQ(read.arms, record.arms);
  EXPECT_EQ(read.assignment, record.assignment);
  EXPECT_EQ(read.created, record.created);
  EXPECT_TRUE(read.running());
  ASSERT_TRUE(experiments().Stop(kModel, "trial", Guardrail()).ok());
  Reopen();
  read = experiments().Find(kModel, "trial").value();
  ASSERT_TRUE(read.stop.has_value());
  EXPECT_EQ(read.stop->reason, experiment::StopReason::kGuardrail);
  EXPECT_EQ(read.stop->time, Guardrail().time);
  EXPECT_EQ(read.stop->observations, 321);
  EXPECT_EQ(read.stop->arm, "tour");
  EXPECT_EQ(read.stop->metric, Metric::kErrors);
  EXPECT_EQ(read.stop->interval->low, .1);
  EXPECT_TRUE(std::isinf(read.stop->interval->high));
}

TEST_F(ExperimentCollectionTest, OneRunsOfAModelAndIdsAreUsedOnce) {
  ASSERT_TRUE(experiments().Create(kModel, Record("one"), "none").ok());
  EXPECT_TRUE(absl::IsAlreadyExists(experiments().Create(kModel, Record("one"), "none")));
  EXPECT_TRUE(absl::IsFailedPrecondition(experiments().Create(kModel, Record("two"), "none")));
  EXPECT_TRUE(experiments().Create(kOtherModel, Record("one"), "none").ok());
  ASSERT_TRUE(experiments().Stop(kModel, "one", Guardrail()).ok());
  EXPECT_TRUE(experiments().Create(kModel, Record("two"), "none").ok());
  EXPECT_EQ(experiments().List(kModel).size(), 2u);
  EXPECT_TRUE(absl::IsNotFound(experiments().Stop(kModel, "three", Guardrail())));
}

TEST_F(ExperimentCollectionTest, WhatEndedItFirstStays) {
  ASSERT_TRUE(experiments().Create(kModel, Record("one"), "none").ok());
  ASSERT_TRUE(experiments().Stop(kModel, "one", Guardrail()).ok());
  experiment::Stop later;
  ASSERT_TRUE(experiments().Stop(kModel, "one", later).ok());
  EXPECT_EQ(experiments().Find(kModel, "one")->stop->observations, 321);
}

TEST_F(ExperimentCollectionTest, AnOrderCannotBeDeletedWhileAnExperimentOfAnyModelRuns) {
  ASSERT_TRUE(experiments().Create(kOtherModel, Record("trial"), "none").ok());
  ASSERT_TRUE(Put("tour", {2, 1, 0}).ok());
  Reopen();
  EXPECT_TRUE(store_->Delete("tour", 2).ok());
  {
    // As the experiment's arm does while it runs.
    const auto held = store_->Load({"tour", 0, ""});
    const absl::Status deleted = store_->Delete("tour", 0).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(deleted));
    EXPECT_EQ(deleted.message(), "order tour version 1 is in experiment trial, which is running");
  }
  ASSERT_TRUE(experiments().Stop(kOtherModel, "trial", Guardrail()).ok());
  EXPECT_TRUE(store_->Delete("tour", 0).ok());
}

TEST_F(ExperimentCollectionTest, KeepsWhatWasSavedLast) {
  ASSERT_TRUE(experiments().Create(kModel, Record("trial"), "none").ok());
  EXPECT_EQ(experiments().ReadStatistics(kModel, "trial").value(), "none");
  const std::string saved("a\0b", 3);
  ASSERT_TRUE(experiments().SaveStatistics(kModel, "trial", "older").ok());
  ASSERT_TRUE(experiments().SaveStatistics(kModel, "trial", saved).ok());
  Reopen();
  EXPECT_EQ(experiments().ReadStatistics(kModel, "trial").value(), saved);
  EXPECT_TRUE(absl::IsNotFound(experiments().ReadStatistics(kModel, "other").status()));
}

// The id of an old one, whose statistics must stay.
TEST_F(ExperimentCollectionTest, WhatIsNotCreatedChangesNoFile) {
  ASSERT_TRUE(experiments().Create(kModel, Record("one"), "first").ok());
  EXPECT_FALSE(experiments().Create(kModel, Record("one"), "second").ok());
  EXPECT_FALSE(experiments().Create(kModel, Record("two"), "second").ok());
  EXPECT_EQ(experiments().ReadStatistics(kModel, "one").value(), "first");
  EXPECT_FALSE(Exists("experiments/" + kModel + "/two.stats"));
}

TEST_F(ExperimentCollectionTest, ADamagedRecordKeepsTheStoreFromOpening) {
  ASSERT_TRUE(experiments().Create(kModel, Record("trial"), "none").ok());
  const std::string path = "experiments/" + kModel + "/trial.json";
  const std::string text = FileContent(path);
  for (const char* member : {"format", "id", "salt", "arms", "exposure", "margin", "alpha",
                             "guardrails", "stop_rules", "created", "assignment"}) {
    std::string altered = text;
    altered.replace(altered.find(absl::StrCat("\"", member, "\"")) + 1, 1, "X");
    store_.reset();
    WriteFile(path, altered);
    const absl::Status opened = DirectoryStore::Open(options()).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(opened)) << member;
    EXPECT_THAT(opened.message(), HasSubstr("trial.json is damaged")) << member;
  }
}

TEST_F(ExperimentCollectionTest, ARecordUnderAnotherNameIsDamaged) {
  ASSERT_TRUE(experiments().Create(kModel, Record("trial"), "none").ok());
  const std::string folder = "experiments/" + kModel;
  const std::string text = FileContent(folder + "/trial.json");
  store_.reset();
  WriteFile(folder + "/other.json", text);
  EXPECT_THAT(DirectoryStore::Open(options()).status().message(),
              HasSubstr("other.json is damaged: its id is not that of its name"));
}

TEST_F(ExperimentCollectionTest, RemovesWhatInterruptedWritesLeftAndWarnsOfStrangeFiles) {
  ASSERT_TRUE(experiments().Create(kModel, Record("trial"), "none").ok());
  const std::string folder = "experiments/" + kModel;
  WriteFile(folder + "/trial.json.tmp~", "half");
  WriteFile(folder + "/notes.txt", "");
  WriteFile("experiments/other/x", "");
  Reopen();
  EXPECT_FALSE(Exists(folder + "/trial.json.tmp~"));
  EXPECT_EQ(store_->warnings().size(), 2u);
  EXPECT_TRUE(experiments().Find(kModel, "trial").ok());
}

}  // namespace
}  // namespace scanserve::store
