#include "client/scanctl/sampling_flags.h"

#include <cmath>
#include <functional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace scanserve::client {
namespace {

using Parameters = v1::SamplingParameters;

absl::StatusOr<std::pair<int32_t, float>> ParseLogitBias(absl::string_view text) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(text, absl::MaxSplits('=', 1));
  int32_t id = 0;
  float bias = 0;
  if (!absl::SimpleAtoi(parts.first, &id) || !absl::SimpleAtof(parts.second, &bias) ||
      !std::isfinite(bias)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\": a logit bias is ID=VALUE, as in 17=-2.5"));
  }
  return std::make_pair(id, bias);
}

// An option whose value goes into the message by its setter, when it is given.
template <typename T>
void AddValue(CLI::App& app, const std::string& name, const std::string& description,
              Parameters& parameters, void (Parameters::*set)(T)) {
  app.add_option_function<T>(
         name, [&parameters, set](const T& value) { (parameters.*set)(value); }, description)
      ->type_name(std::is_floating_point_v<T> ? "X" : "N");
}

}  // namespace

void AddSamplingFlags(CLI::App& app, SamplingFlags& flags) {
  Parameters& p = flags.parameters;
  AddValue<int32_t>(app, "-m,--max-new-tokens", "Most tokens to generate; 128", p,
                    &Parameters::set_max_new_tokens);
  AddValue<float>(app, "-t,--temperature", "0 is greedy", p, &Parameters::set_temperature);
  AddValue<int32_t>(app, "--top-k", "Keep the K likeliest; 0 keeps all", p, &Parameters::set_top_k);
  AddValue<float>(app, "--top-p", "Keep this sum of probability", p, &Parameters::set_top_p);
  AddValue<float>(app, "--min-p", "Keep this share of the likeliest's", p, &Parameters::set_min_p);
  AddValue<float>(app, "--repetition-penalty", "For tokens seen; 1 is none", p,
                  &Parameters::set_repetition_penalty);
  AddValue<float>(app, "--presence-penalty", "For tokens in the answer, once", p,
                  &Parameters::set_presence_penalty);
  AddValue<float>(app, "--frequency-penalty", "The same, for each time", p,
                  &Parameters::set_frequency_penalty);
  AddValue<uint64_t>(app, "--seed", "The same seed, the same tokens", p, &Parameters::set_seed);
  AddValue<int32_t>(app, "-n,--choices", "Number of continuations; 1", p, &Parameters::set_n);
  AddValue<int32_t>(app, "--top-logprobs", "Alternatives beside each token", p,
                    &Parameters::set_top_logprobs);
  app.add_option("--logit-bias", flags.logit_biases, "Add to a logit; repeatable")
      ->type_name("ID=X")
      ->allow_extra_args(false)
      ->check(ParsesWith(&ParseLogitBias));
  app.add_option("--stop", flags.stop_strings, "End before this text; repeatable")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  app.add_option("--stop-token-ids", flags.stop_token_ids, "End at these tokens")
      ->type_name("I,J,..")
      ->allow_extra_args(false)
      ->delimiter(',');
  CLI::Option* suppress =
      app.add_option("--suppress-tokens", flags.suppressed, "Never sample these tokens")
          ->type_name("I,J,..")
          ->allow_extra_args(false)
          ->delimiter(',');
  app.add_flag("--suppress-nothing", flags.suppress_nothing, "Not even the model's own list")
      ->excludes(suppress);
  app.add_flag_callback(
      "--greedy", [&p] { p.set_do_sample(false); }, "Always the likeliest token");
  app.add_flag_callback(
      "--ignore-eos", [&p] { p.set_ignore_eos(true); }, "Go on past the end of text");
  app.add_flag_callback(
      "--logprobs", [&p] { p.set_logprobs(true); }, "Log probability of each token");
}

v1::SamplingParameters SamplingOf(const SamplingFlags& flags) {
  Parameters parameters = flags.parameters;
  for (const std::string& text : flags.logit_biases) {
    const auto bias = *ParseLogitBias(text);
    (*parameters.mutable_logit_bias())[bias.first] = bias.second;
  }
  parameters.mutable_stop_strings()->Add(flags.stop_strings.begin(), flags.stop_strings.end());
  parameters.mutable_stop_token_ids()->Add(flags.stop_token_ids.begin(),
                                           flags.stop_token_ids.end());
  if (!flags.suppressed.empty() || flags.suppress_nothing) {
    parameters.mutable_suppress_tokens()->mutable_ids()->Add(flags.suppressed.begin(),
                                                             flags.suppressed.end());
  }
  // Alternatives are part of the log probabilities.
  if (parameters.top_logprobs() > 0) parameters.set_logprobs(true);
  return parameters;
}

}  // namespace scanserve::client
