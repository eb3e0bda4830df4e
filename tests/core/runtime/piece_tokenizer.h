// A tokenizer whose tokens are the given byte strings, for texts cut at chosen places.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/model/tokenizer/tokenizer.h"
#include "nlohmann/json.hpp"

namespace scanserve::runtime {

// As GPT-2 writes a byte: printable ones as themselves, the others from U+0100 on in their order.
inline std::string ByteLevelCharacter(unsigned char byte) {
  const auto printable = [](int b) {
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  };
  int code = byte;
  if (!printable(byte)) {
    code = 256;
    for (int b = 0; b < byte; ++b) code += printable(b) ? 0 : 1;
  }
  if (code < 128) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3F))};
}

// Token i is pieces[i]; the id after the last is special.
inline std::unique_ptr<const model::Tokenizer> PieceTokenizer(
    const std::vector<std::string>& pieces) {
  nlohmann::json vocabulary = nlohmann::json::object();
  for (size_t i = 0; i < pieces.size(); ++i) {
    std::string content;
    for (const char c : pieces[i]) content += ByteLevelCharacter(static_cast<unsigned char>(c));
    vocabulary[content] = i;
  }
  const nlohmann::json end = {{"id", pieces.size()},  {"content", "<|end|>"}, {"special", true},
                              {"single_word", false}, {"lstrip", false},      {"rstrip", false},
                              {"normalized", false}};
  const nlohmann::json byte_level = {{"type", "ByteLevel"},
                                     {"add_prefix_space", false},
                                     {"trim_offsets", true},
                                     {"use_regex", true}};
  const nlohmann::json file = {
      {"added_tokens", nlohmann::json::array({end})},
      {"normalizer", nullptr},
      {"pre_tokenizer", byte_level},
      {"decoder", byte_level},
      {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", nlohmann::json::array()}}}};
  auto tokenizer = model::Tokenizer::FromJson(file.dump());
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

}  // namespace scanserve::runtime
