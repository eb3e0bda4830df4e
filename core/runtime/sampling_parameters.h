// How the next token is chosen from the logits: the values in force for one request.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace scanserve::runtime {

// Each field's default switches its rule off. Rules apply in the order of the fields, which is
// that of Hugging Face's generate(); it has no presence and frequency penalty, and keeps all of a
// tie at top_k where the smaller ids are kept here.
struct SamplingParameters {
  // Tokens to generate at most; 0 reads the prompt and generates nothing.
  int32_t max_new_tokens = 128;
  // Added to the logit of a token; ids below the vocabulary size, finite values.
  std::vector<std::pair<int32_t, float>> logit_bias;
  // Divides positive and multiplies negative logits of tokens in prompt or answer; > 0
  // (Keskar et al. 2019, section 4.1).
  float repetition_penalty = 1.0F;
  // Subtracted once, and once for each time, from the logit of a token in the answer.
  float presence_penalty = 0.0F;
  float frequency_penalty = 0.0F;
  // Never chosen.
  std::vector<int32_t> suppressed_tokens;
  // Divides the logits; 0 chooses the largest logit, ties to the smaller id.
  float temperature = 1.0F;
  // Keeps the k likeliest; 0 keeps all.
  int32_t top_k = 0;
  // Keeps the likeliest tokens up to this sum of probability, in (0, 1]
  // (Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration").
  float top_p = 1.0F;
  // Keeps tokens at least this share as likely as the likeliest.
  float min_p = 0.0F;
  // Key of the counter-based generator; with the choice's and the token's index it decides each
  // draw.
  uint64_t seed = 0;
  // Index of the first token's draw: more than 0 where a session goes on.
  uint64_t first_draw = 0;
  // Texts that end the answer and are not part of it. Not empty strings.
  std::vector<std::string> stop_strings;
  std::vector<int32_t> stop_token_ids;
  // Tokens that end the text; not consulted when `ignore_eos`.
  std::vector<int32_t> eos_token_ids;
  bool ignore_eos = false;
  // Log probabilities of the model's own distribution, before any of the rules above.
  bool logprobs = false;
  int32_t top_logprobs = 0;
};

}  // namespace scanserve::runtime
