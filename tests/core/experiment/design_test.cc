#include "core/experiment/design.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

namespace scanserve::experiment {
namespace {

using testing::HasSubstr;

Design Valid() {
  Design design;
  design.id = "trial";
  design.salt = "0123456789abcdef";
  design.arms = {{"control", 1, 0}, {"tour", 1, 500}};
  return design;
}

TEST(DesignTest, TakesItsDefaults) { EXPECT_TRUE(Validate(Valid()).ok()); }

TEST(DesignTest, TakesTheEndsOfEachRange) {
  Design design = Valid();
  design.id = std::string(64, 'x');
  design.arms = {{"a", kMostWeight, 0}, {"b", 0, kWhole}};
  design.exposure = 1;
  design.margin = 10;
  design.alpha = .5;
  design.guardrails = {{Metric::kErrors, 0}, {Metric::kPerplexity, 10}};
  design.stop.max_units = kMostUnits;
  EXPECT_TRUE(Validate(design).ok()) << Validate(design);
}

TEST(DesignTest, NamesTheFieldThatIsOutOfItsRange) {
  const std::vector<std::pair<std::string, std::function<void(Design&)>>> cases = {
      {"id: 0 bytes", [](Design& d) { d.id = ""; }},
      {"id: 65 bytes", [](Design& d) { d.id = std::string(65, 'x'); }},
      {"id: 3 bytes", [](Design& d) { d.id = "a.b"; }},
      {"salt: 3 bytes", [](Design& d) { d.salt = "a:b"; }},
      {"arms: 1, expected 2 to 10", [](Design& d) { d.arms.pop_back(); }},
      {"arms: 11",
       [](Design& d) {
         d.arms.resize(11, {"x", 1, 0});
       }},
      {"arms[1].name: 1 bytes", [](Design& d) { d.arms[1].name = "/"; }},
      {"two arms are called control", [](Design& d) { d.arms[1].name = "control"; }},
      {"arms[0].weight: 0", [](Design& d) { d.arms[0].weight = 0; }},
      {"arms[1].weight: -1", [](Design& d) { d.arms[1].weight = -1; }},
      {"the sum of weights: 2147483648", [](Design& d) { d.arms[0].weight = kMostWeight; }},
      {"arms[0].shadow: 1, expected 0 to 0", [](Design& d) { d.arms[0].shadow = 1; }},
      {"arms[1].shadow: 10001", [](Design& d) { d.arms[1].shadow = 10'001; }},
      {"exposure: 0", [](Design& d) { d.exposure = 0; }},
      {"margin: 0", [](Design& d) { d.margin = 0; }},
      {"margin: nan", [](Design& d) { d.margin = std::nan(""); }},
      {"alpha: 0.6", [](Design& d) { d.alpha = .6; }},
      {"guardrails[0].margin: -1",
       [](Design& d) {
         d.guardrails = {{Metric::kErrors, -1}};
       }},
      {"guardrails[1].metric: errors has a guardrail already",
       [](Design& d) {
         d.guardrails = {{Metric::kErrors, .1}, {Metric::kErrors, .2}};
       }},
      {"guardrails[0].metric: perplexity needs an arm with a shadow",
       [](Design& d) {
         d.arms[1].shadow = 0;
         d.guardrails = {{Metric::kPerplexity, .1}};
       }},
      {"stop.max_units: 0", [](Design& d) { d.stop.max_units = 0; }},
      {"stop.max_units: 1000001", [](Design& d) { d.stop.max_units = kMostUnits + 1; }},
      {"stop.max_time: 0", [](Design& d) { d.stop.max_time = absl::ZeroDuration(); }},
  };
  for (const auto& [message, spoil] : cases) {
    Design design = Valid();
    spoil(design);
    const absl::Status status = Validate(design);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << message;
    EXPECT_THAT(status.message(), HasSubstr(message));
  }
}

}  // namespace
}  // namespace scanserve::experiment
