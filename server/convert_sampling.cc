#include "server/convert_sampling.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/field_checks.h"

namespace scanserve::server {
namespace {

// Hugging Face's defaults (transformers, GenerationConfig), where they are not those of
// runtime::SamplingParameters.
constexpr int32_t kDefaultTopK = 50;
constexpr bool kDefaultDoSample = false;
constexpr int32_t kDefaultNewTokens = 128;

constexpr float kMaxTemperature = 100.0F;
constexpr float kMaxPenalty = 100.0F;
// Positive and small enough that no logit overflows by it.
constexpr float kMinRepetitionPenalty = 1e-3F;
constexpr float kMaxRepetitionPenalty = 1e3F;

template <typename T>
T FirstOf(bool given, T value, const std::optional<T>& model_default, T otherwise) {
  return given ? value : model_default.value_or(otherwise);
}

absl::Status CheckScalars(const runtime::SamplingParameters& sampling,
                          const RequestLimits& limits) {
  SCANSERVE_RETURN_IF_ERROR(
      CheckRange("sampling.max_new_tokens", sampling.max_new_tokens, 0, limits.new_tokens));
  SCANSERVE_RETURN_IF_ERROR(
      CheckFloatRange("sampling.temperature", sampling.temperature, 0, kMaxTemperature));
  SCANSERVE_RETURN_IF_ERROR(CheckRange("sampling.top_k", sampling.top_k, 0, INT32_MAX));
  SCANSERVE_RETURN_IF_ERROR(CheckFloatRange("sampling.top_p", sampling.top_p,
                                            std::numeric_limits<float>::denorm_min(), 1));
  SCANSERVE_RETURN_IF_ERROR(CheckFloatRange("sampling.min_p", sampling.min_p, 0, 1));
  SCANSERVE_RETURN_IF_ERROR(CheckFloatRange("sampling.repetition_penalty",
                                            sampling.repetition_penalty, kMinRepetitionPenalty,
                                            kMaxRepetitionPenalty));
  SCANSERVE_RETURN_IF_ERROR(CheckFloatRange("sampling.presence_penalty", sampling.presence_penalty,
                                            -kMaxPenalty, kMaxPenalty));
  SCANSERVE_RETURN_IF_ERROR(CheckFloatRange("sampling.frequency_penalty",
                                            sampling.frequency_penalty, -kMaxPenalty, kMaxPenalty));
  return CheckRange("sampling.top_logprobs", sampling.top_logprobs, 0, limits.top_logprobs);
}

absl::Status ReadLogitBias(const v1::SamplingParameters& proto, int64_t vocabulary,
                           const RequestLimits& limits, runtime::SamplingParameters& sampling) {
  SCANSERVE_RETURN_IF_ERROR(CheckAtMost("sampling.logit_bias",
                                        static_cast<int64_t>(proto.logit_bias().size()),
                                        limits.logit_biases, "tokens"));
  for (const auto& [token, bias] : proto.logit_bias()) {
    SCANSERVE_RETURN_IF_ERROR(CheckTokenId("sampling.logit_bias", token, vocabulary));
    if (!std::isfinite(bias)) {
      return absl::InvalidArgumentError(
          absl::StrCat("sampling.logit_bias: token ", token, ": ", bias, " is not finite"));
    }
    sampling.logit_bias.emplace_back(token, bias);
  }
  // The map has no order of its own.
  std::sort(sampling.logit_bias.begin(), sampling.logit_bias.end());
  return absl::OkStatus();
}

absl::Status ReadStops(const v1::SamplingParameters& proto, int64_t vocabulary,
                       const RequestLimits& limits, runtime::SamplingParameters& sampling) {
  SCANSERVE_RETURN_IF_ERROR(CheckAtMost("sampling.stop_strings", proto.stop_strings_size(),
                                        limits.stop_strings, "strings"));
  for (const std::string& stop : proto.stop_strings()) {
    if (stop.empty()) {
      return absl::InvalidArgumentError("sampling.stop_strings: a string is empty");
    }
    SCANSERVE_RETURN_IF_ERROR(CheckAtMost("sampling.stop_strings",
                                          static_cast<int64_t>(stop.size()),
                                          limits.stop_string_bytes, "bytes"));
    sampling.stop_strings.push_back(stop);
  }
  SCANSERVE_RETURN_IF_ERROR(CheckAtMost("sampling.stop_token_ids", proto.stop_token_ids_size(),
                                        limits.stop_token_ids, "ids"));
  for (const int32_t id : proto.stop_token_ids()) {
    SCANSERVE_RETURN_IF_ERROR(CheckTokenId("sampling.stop_token_ids", id, vocabulary));
    sampling.stop_token_ids.push_back(id);
  }
  return absl::OkStatus();
}

absl::Status ReadSuppressedTokens(const v1::SamplingParameters& proto,
                                  const model::GenerationConfig& defaults, int64_t vocabulary,
                                  runtime::SamplingParameters& sampling) {
  if (!proto.has_suppress_tokens()) {
    std::copy_if(defaults.suppress_tokens.begin(), defaults.suppress_tokens.end(),
                 std::back_inserter(sampling.suppressed_tokens),
                 [vocabulary](int32_t id) { return id >= 0 && id < vocabulary; });
    return absl::OkStatus();
  }
  SCANSERVE_RETURN_IF_ERROR(CheckAtMost("sampling.suppress_tokens",
                                        proto.suppress_tokens().ids_size(), vocabulary, "ids"));
  for (const int32_t id : proto.suppress_tokens().ids()) {
    SCANSERVE_RETURN_IF_ERROR(CheckTokenId("sampling.suppress_tokens", id, vocabulary));
    sampling.suppressed_tokens.push_back(id);
  }
  return absl::OkStatus();
}

bool WantsSampling(const v1::SamplingParameters& proto, const model::GenerationConfig& defaults) {
  if (proto.has_do_sample()) return proto.do_sample();
  if (proto.has_temperature()) return true;
  return defaults.do_sample.value_or(kDefaultDoSample);
}

}  // namespace

absl::StatusOr<runtime::SamplingParameters> SamplingFromProto(
    const v1::SamplingParameters& proto, const model::GenerationConfig& defaults,
    int64_t vocabulary, const RequestLimits& limits, uint64_t fresh_seed) {
  runtime::SamplingParameters sampling;
  // A model's own default is not the client's fault: it is fitted to the limit.
  sampling.max_new_tokens =
      proto.has_max_new_tokens()
          ? proto.max_new_tokens()
          : std::min(defaults.max_new_tokens.value_or(kDefaultNewTokens), limits.new_tokens);
  sampling.temperature =
      FirstOf(proto.has_temperature(), proto.temperature(), defaults.temperature, 1.0F);
  sampling.top_k = FirstOf(proto.has_top_k(), proto.top_k(), defaults.top_k, kDefaultTopK);
  sampling.top_p = FirstOf(proto.has_top_p(), proto.top_p(), defaults.top_p, 1.0F);
  sampling.min_p = FirstOf(proto.has_min_p(), proto.min_p(), defaults.min_p, 0.0F);
  sampling.repetition_penalty = FirstOf(proto.has_repetition_penalty(), proto.repetition_penalty(),
                                        defaults.repetition_penalty, 1.0F);
  sampling.presence_penalty = proto.presence_penalty();
  sampling.frequency_penalty = proto.frequency_penalty();
  sampling.seed = proto.has_seed() ? proto.seed() : fresh_seed;
  sampling.ignore_eos = proto.ignore_eos();
  sampling.eos_token_ids = defaults.eos_token_ids;
  sampling.top_logprobs = proto.top_logprobs();
  sampling.logprobs = proto.logprobs() || proto.top_logprobs() > 0;
  SCANSERVE_RETURN_IF_ERROR(CheckScalars(sampling, limits));
  SCANSERVE_RETURN_IF_ERROR(ReadLogitBias(proto, vocabulary, limits, sampling));
  SCANSERVE_RETURN_IF_ERROR(ReadStops(proto, vocabulary, limits, sampling));
  SCANSERVE_RETURN_IF_ERROR(ReadSuppressedTokens(proto, defaults, vocabulary, sampling));
  if (!WantsSampling(proto, defaults)) sampling.temperature = 0;
  return sampling;
}

absl::Status CheckTokensLeft(const runtime::SamplingParameters& sampling,
                             const model::Tokenizer& tokenizer) {
  std::vector<bool> suppressed(static_cast<size_t>(tokenizer.vocab_size()), false);
  for (const int32_t id : sampling.suppressed_tokens) {
    if (id < tokenizer.vocab_size()) suppressed[static_cast<size_t>(id)] = true;
  }
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    if (!suppressed[static_cast<size_t>(id)] && tokenizer.HasToken(id)) return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("sampling.suppress_tokens: ", sampling.suppressed_tokens.size(),
                   " ids, which leave no token to choose"));
}

v1::SamplingParameters SamplingToProto(const runtime::SamplingParameters& sampling, int32_t n) {
  v1::SamplingParameters proto;
  proto.set_max_new_tokens(sampling.max_new_tokens);
  proto.set_temperature(sampling.temperature);
  proto.set_top_k(sampling.top_k);
  proto.set_top_p(sampling.top_p);
  proto.set_min_p(sampling.min_p);
  proto.set_repetition_penalty(sampling.repetition_penalty);
  proto.set_presence_penalty(sampling.presence_penalty);
  proto.set_frequency_penalty(sampling.frequency_penalty);
  for (const auto& [token, bias] : sampling.logit_bias) (*proto.mutable_logit_bias())[token] = bias;
  proto.set_seed(sampling.seed);
  proto.mutable_stop_strings()->Assign(sampling.stop_strings.begin(), sampling.stop_strings.end());
  proto.mutable_stop_token_ids()->Assign(sampling.stop_token_ids.begin(),
                                         sampling.stop_token_ids.end());
  proto.set_ignore_eos(sampling.ignore_eos);
  proto.set_n(n);
  proto.set_logprobs(sampling.logprobs);
  proto.set_top_logprobs(sampling.top_logprobs);
  proto.mutable_suppress_tokens()->mutable_ids()->Assign(sampling.suppressed_tokens.begin(),
                                                         sampling.suppressed_tokens.end());
  proto.set_do_sample(sampling.temperature > 0);
  return proto;
}

}  // namespace scanserve::server
