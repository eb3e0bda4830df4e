// Log probabilities of a prompt against Hugging Face, natural and under orders.
#include <gtest/gtest.h>

#include "core/runtime/engine.h"
#include "tests/core/runtime/golden_files.h"

namespace scanserve::runtime {
namespace {

GenerateRequest RequestOf(const nlohmann::json& item, const std::vector<int32_t>& prompt) {
  GenerateRequest request;
  request.prompt = prompt;
  request.prompt_logprobs = true;
  request.sampling.max_new_tokens = 0;
  request.sampling.top_logprobs = 5;
  request.basics.adapter =
      LoadAdapter("models/scanserve-6m", StringOrEmpty(item["adapter"]), EmbeddedModel()->config);
  if (!item["order"].is_null()) {
    request.basics.scan.order = GoldenOrder("prompt_logprobs/order.npy");
  }
  request.basics.scan.target_layers = item["target_layers"].get<std::vector<int32_t>>();
  if (item["readout"] == "PIN_LAST") request.basics.scan.readout = order::Readout::kPinLast;
  return request;
}

std::shared_ptr<const PromptLogprobs::Values> ValuesOf(RequestStream& stream) {
  std::shared_ptr<const PromptLogprobs::Values> values;
  for (;;) {
    const Event event = stream.Wait();
    if (const auto* prompt = std::get_if<PromptLogprobs>(&event)) values = prompt->values;
    if (const auto* ended = std::get_if<Ended>(&event)) {
      EXPECT_TRUE(ended->status.ok()) << ended->status;
      return values;
    }
  }
}

void ExpectValues(const PromptLogprobs::Values& values, const nlohmann::json& item) {
  ASSERT_EQ(values.logprobs.size(), item["logprobs"].size());
  ASSERT_EQ(values.alternatives, 5);
  std::string classes;
  for (size_t i = 0; i < values.logprobs.size(); ++i) {
    EXPECT_NEAR(values.logprobs[i], item["logprobs"][i].get<double>(), 1e-4) << i;
    for (size_t place = 0; place < 5; ++place) {
      // Two that are nearly as likely may stand in the other order.
      const auto& [token, logprob] = values.top[i * 5 + place];
      EXPECT_NEAR(logprob, item["top"][i][place][1].get<double>(), 1e-4) << i << " " << place;
      if (place == 0) {
        EXPECT_EQ(token, item["top"][i][place][0].get<int32_t>()) << i;
      }
    }
    const order::TargetClass target_class =
        values.classes.empty() ? order::TargetClass::kCausal : values.classes[i];
    classes += target_class == order::TargetClass::kLeaked      ? 'L'
               : target_class == order::TargetClass::kLookahead ? 'A'
                                                                : 'C';
  }
  EXPECT_EQ(classes, item["classes"].get<std::string>());
}

TEST(GoldenPromptLogprobsTest, EqualHuggingFaceUnderEverySetting) {
  EngineOptions options;
  options.threads = 2;
  options.step_tokens = 64;
  const auto engine = Engine::Create(options, EmbeddedModel());
  const auto golden = GoldenJson("prompt_logprobs/cases.json");
  for (const auto& item : golden["cases"]) {
    SCOPED_TRACE(testing::Message()
                 << "adapter " << item["adapter"] << ", order " << item["order"] << ", layers "
                 << item["target_layers"] << ", " << item["readout"]);
    const auto stream = engine->Generate(RequestOf(item, golden["token_ids"]));
    ASSERT_TRUE(stream.ok()) << stream.status();
    const auto values = ValuesOf(**stream);
    ASSERT_NE(values, nullptr);
    ExpectValues(*values, item);
  }
  EXPECT_GE(golden["cases"].size(), 6U);
}

}  // namespace
}  // namespace scanserve::runtime
