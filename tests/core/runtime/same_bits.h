// Compares what passes gave to the bit.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "tests/core/runtime/recording_job.h"

namespace scanserve::runtime {

inline bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  // memcmp takes no null pointer, not even for nothing.
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

// All recorded rows of two RecordingSequences.
inline void ExpectSameBits(const Sequence& actual, const Sequence& expected) {
  const auto& actual_rows = static_cast<const RecordingJob&>(*actual.job).rows;
  const auto& expected_rows = static_cast<const RecordingJob&>(*expected.job).rows;
  ASSERT_FALSE(expected_rows.empty());
  ASSERT_EQ(actual_rows.size(), expected_rows.size());
  for (const auto& [place, row] : expected_rows) {
    ASSERT_TRUE(SameBits(actual_rows.at(place), row))
        << "layer " << place.first << " position " << place.second;
  }
}

inline std::vector<int32_t> RandomTokens(const model::LanguageModel& model, int64_t length,
                                         std::mt19937& random) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < length; ++i) {
    tokens.push_back(
        static_cast<int32_t>(random() % static_cast<uint32_t>(model.config.vocab_size)));
  }
  return tokens;
}

inline std::shared_ptr<const order::ScanOrder> RandomOrder(int64_t entries, std::mt19937& random) {
  std::vector<int64_t> pi(static_cast<size_t>(entries));
  for (size_t k = 0; k < pi.size(); ++k) pi[k] = static_cast<int64_t>(k);
  std::shuffle(pi.begin(), pi.end(), random);
  return *order::ScanOrder::FromEntries(pi);
}

}  // namespace scanserve::runtime
