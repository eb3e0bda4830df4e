#include "client/scanctl/experiment_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace scanserve::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ExperimentFlags Parse(std::vector<std::string> arguments) {
  CLI::App app;
  ExperimentFlags flags;
  AddExperimentFlags(app, flags);
  std::reverse(arguments.begin(), arguments.end());
  app.parse(arguments);
  return flags;
}

TEST(ExperimentFlagsTest, AnArmNamesWhatItChanges) {
  const auto arm =
      ParseArm("tour:3,order=wiki@2,adapter=kjv,readout=pin-last,layers=0+3,shadow=12.5").value();
  EXPECT_EQ(arm.name(), "tour");
  EXPECT_EQ(arm.weight(), 3);
  EXPECT_EQ(arm.scan().setting().order().name(), "wiki");
  EXPECT_EQ(arm.scan().setting().order().version(), 2);
  EXPECT_EQ(arm.scan().setting().readout(), v1::READOUT_PIN_LAST);
  EXPECT_THAT(arm.scan().setting().target_layers(), ElementsAre(0, 3));
  EXPECT_EQ(arm.adapter().ref().name(), "kjv");
  EXPECT_EQ(arm.shadow(), 1'250);
}

TEST(ExperimentFlagsTest, WhatAnArmDoesNotNameIsTheServers) {
  const auto arm = ParseArm("control:9").value();
  EXPECT_FALSE(arm.has_scan());
  EXPECT_FALSE(arm.has_adapter());
  EXPECT_TRUE(ParseArm("base:1,adapter=none")->adapter().has_base());
  EXPECT_EQ(ParseArm("plain:1,order=identity")->scan().setting().order().name(), "identity");
}

TEST(ExperimentFlagsTest, SaysWhichPartOfAnArmIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"control", "expected NAME:WEIGHT"},
      {":1", "expected NAME:WEIGHT"},
      {"a:-1", "expected NAME:WEIGHT"},
      {"a:1,shadow=101", "a percentage from 0 to 100"},
      {"a:1,shadow=nan", "a percentage from 0 to 100"},
      {"a:1,color=red", "no such part: color"},
      {"a:1,order=w,layers=x", "not a layer: x"},
      {"a:1,order=w,readout=first", "not a readout: first"},
      {"a:1,readout=pin-last", "need an order"}};
  for (const auto& [text, message] : cases) {
    EXPECT_THAT(ParseArm(text).status().message(), HasSubstr(message)) << text;
  }
}

TEST(ExperimentFlagsTest, AGuardrailIsAMetricAndItsMargin) {
  const auto guardrail = ParseGuardrail("time-to-first-token=0.1").value();
  EXPECT_EQ(guardrail.metric(), v1::EXPERIMENT_METRIC_TIME_TO_FIRST_TOKEN);
  EXPECT_EQ(guardrail.margin(), .1);
  EXPECT_FALSE(ParseGuardrail("unspecified=1").ok());
  EXPECT_FALSE(ParseGuardrail("errors").ok());
}

TEST(ExperimentFlagsTest, MakeTheDesign) {
  const v1::ExperimentDesign design =
      DesignOf(Parse({"trial", "--arm", "control:9", "--arm", "tour:1,order=t", "--exposure", "2.5",
                      "--guardrail", "errors=0.01", "--guardrail", "duration=0.2", "--stop-on",
                      "verdict,sample-ratio", "--max-units", "500", "--max-time", "90m"}));
  EXPECT_EQ(design.id(), "trial");
  ASSERT_EQ(design.arms_size(), 2);
  EXPECT_EQ(design.arms(1).name(), "tour");
  EXPECT_EQ(design.exposure(), 250);
  EXPECT_EQ(design.guardrails_size(), 2);
  EXPECT_TRUE(design.stop().verdict());
  EXPECT_FALSE(design.stop().equivalence());
  EXPECT_TRUE(design.stop().sample_ratio());
  EXPECT_EQ(design.stop().max_units(), 500);
  EXPECT_EQ(design.stop().max_time().seconds(), 5'400);
  EXPECT_FALSE(DesignOf(Parse({"t", "--arm", "a:1", "--arm", "b:1"})).stop().has_max_time());
}

}  // namespace
}  // namespace scanserve::client
