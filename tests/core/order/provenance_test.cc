#include "core/order/provenance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "nlohmann/json.hpp"

namespace scanserve::order {
namespace {

using testing::HasSubstr;

Provenance Example() {
  return {.model_digest = std::string(64, 'a'),
          .tokenizer_digest = std::string(64, 'b'),
          .adapter_digest = "",
          .layer = 7,
          .corpus_digest = std::string(64, 'c'),
          .rows = 1237,
          .rows_used = 512,
          .method = "nearest-neighbour",
          .seed = -3,
          .natural_length = 123.456789012345678,
          .tour_length = 1.0 / 3,
          .created = absl::FromUnixNanos(1'700'000'000'123'456'789),
          .program = "scanorder 0.1.0"};
}

TEST(ProvenanceTest, ComesBackFromJsonAsItWas) {
  const std::string text = ProvenanceToJson(Example()).dump();
  EXPECT_EQ(ProvenanceFromJson(nlohmann::json::parse(text)).value(), Example());
}

TEST(ProvenanceTest, NamesTheFieldThatIsMissingOrOfAnotherType) {
  const nlohmann::json whole = ProvenanceToJson(Example());
  for (const auto& [name, value] : whole.items()) {
    nlohmann::json json = whole;
    json[name] = nlohmann::json::array();
    EXPECT_THAT(ProvenanceFromJson(json).status().message(), HasSubstr(name));
    json.erase(name);
    EXPECT_THAT(ProvenanceFromJson(json).status().message(), HasSubstr(name));
  }
}

TEST(ProvenanceTest, RefusesIntegersOutOfRange) {
  nlohmann::json json = ProvenanceToJson(Example());
  json["layer"] = int64_t{1} << 31;
  EXPECT_TRUE(absl::IsInvalidArgument(ProvenanceFromJson(json).status()));
  json = ProvenanceToJson(Example());
  json["rows"] = uint64_t{1} << 63;
  EXPECT_TRUE(absl::IsInvalidArgument(ProvenanceFromJson(json).status()));
}

TEST(ProvenanceTest, RefusesJsonThatIsNoObject) {
  EXPECT_TRUE(absl::IsInvalidArgument(ProvenanceFromJson(nlohmann::json(3)).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ProvenanceFromJson(nlohmann::json()).status()));
}

TEST(ProvenanceTest, IsRefusedWhenItCouldNotBeReadAgain) {
  EXPECT_TRUE(ValidateProvenance(Example()).ok());
  Provenance provenance = Example();
  provenance.tour_length = std::nan("");
  EXPECT_THAT(ValidateProvenance(provenance).message(), HasSubstr("tour_length"));
  provenance = Example();
  provenance.method = "\xff";
  EXPECT_TRUE(absl::IsInvalidArgument(ValidateProvenance(provenance)));
  provenance = Example();
  provenance.program.assign(257, 'x');
  EXPECT_THAT(ValidateProvenance(provenance).message(),
              HasSubstr("program: 257 bytes, the limit is 256"));
}

}  // namespace
}  // namespace scanserve::order
