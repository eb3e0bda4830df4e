#include "client/message_json.h"

#include <gtest/gtest.h>

#include <limits>

#include "scanserve/v1/inference_service.pb.h"
#include "scanserve/v1/scan_order_service.pb.h"

namespace scanserve::client {
namespace {

TEST(MessageJsonTest, WritesFieldsByTheirNamesInTheContract) {
  v1::ScanSetting setting;
  setting.mutable_order()->set_name("wiki");
  setting.add_target_layers(3);
  setting.set_readout(v1::READOUT_PIN_LAST);
  EXPECT_EQ(MessageToJson(setting).dump(),
            R"({"order":{"name":"wiki","version":0,"digest":""},"target_layers":[3],)"
            R"("readout":"pin-last"})");
}

TEST(MessageJsonTest, LeavesOutFieldsWithPresenceThatAreUnset) {
  v1::SamplingParameters parameters;
  parameters.set_temperature(0);
  const Json json = MessageToJson(parameters);
  EXPECT_EQ(json["temperature"], 0.0);
  EXPECT_FALSE(json.contains("top_k"));
  EXPECT_FALSE(json.contains("suppress_tokens"));
  EXPECT_TRUE(json["stop_strings"].empty());
}

TEST(MessageJsonTest, WritesNumbersAsNumbers) {
  v1::SamplingParameters parameters;
  parameters.set_seed(std::numeric_limits<uint64_t>::max());
  parameters.set_temperature(0.8F);
  (*parameters.mutable_logit_bias())[17] = -2.5F;
  const Json json = MessageToJson(parameters);
  EXPECT_EQ(json["seed"].dump(), "18446744073709551615");
  EXPECT_EQ(json["temperature"].dump(), "0.8");
  EXPECT_EQ(json["logit_bias"].dump(), R"({"17":-2.5})");
}

TEST(MessageJsonTest, WritesTimesForPeopleAndDurationsInSeconds) {
  v1::ScanOrder order;
  order.mutable_created()->set_seconds(1'700'000'000);
  order.mutable_created()->set_nanos(500'000'000);
  EXPECT_EQ(MessageToJson(order)["created"], "2023-11-14T22:13:20.5+00:00");
  v1::GenerateSummary summary;
  summary.mutable_total_time()->set_seconds(2);
  summary.mutable_total_time()->set_nanos(250'000'000);
  EXPECT_EQ(MessageToJson(summary)["total_time"], 2.25);
}

TEST(MessageJsonTest, WritesBytesInBase64) {
  v1::TokenLogprob token;
  token.set_token("\xFF\x01");
  EXPECT_EQ(MessageToJson(token)["token"], "/wE=");
}

TEST(MessageJsonTest, WritesWhatIsNoNumberAsNull) {
  v1::TokenLogprob token;
  token.set_logprob(-std::numeric_limits<float>::infinity());
  EXPECT_EQ(MessageToJson(token)["logprob"].dump(), "null");
}

TEST(MessageJsonTest, NamesTheEventOfAStream) {
  v1::GenerateResponse response;
  response.mutable_finished()->set_choice(1);
  response.mutable_finished()->set_reason(v1::FINISH_REASON_LENGTH);
  const auto event = EventToJson(response);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ((*event)["event"], "finished");
  EXPECT_EQ((*event)["reason"], "length");
}

TEST(MessageJsonTest, PassesOverEventsThatItDoesNotKnow) {
  EXPECT_FALSE(EventToJson(v1::GenerateResponse()).has_value());
}

TEST(MessageJsonTest, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(JsonLine({{"text", "a\xFF"}}), "{\"text\":\"a\xEF\xBF\xBD\"}\n");
}

TEST(MessageJsonTest, ReadsBackTheNamesThatItWrites) {
  EXPECT_EQ(ParseEnum<v1::PerplexityMode>("full-window"), v1::PERPLEXITY_MODE_FULL_WINDOW);
  EXPECT_EQ(ParseEnum<v1::HiddenStateKind>("layer-output"), v1::HIDDEN_STATE_KIND_LAYER_OUTPUT);
  EXPECT_FALSE(ParseEnum<v1::Readout>("last").has_value());
  EXPECT_EQ(EnumText(v1::Readout::READOUT_NATURAL_LAST), "natural-last");
  EXPECT_EQ(EnumText(static_cast<v1::Readout>(99)), "99");
}

}  // namespace
}  // namespace scanserve::client
