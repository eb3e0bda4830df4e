#include "core/runtime/likeliest.h"

#include <algorithm>
#include <limits>

namespace scanserve::runtime {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
// Logits that are compared with the threshold at once, by their largest.
constexpr size_t kBlock = 64;
constexpr size_t kLanes = 16;
// Candidates beside the wanted ones that are gathered before the least likely are dropped.
constexpr size_t kSlack = 64;

// Lane by lane, which compilers turn into vector instructions. A comparison with NaN is false, so
// it is passed over.
float LargestOfBlock(const float* logits) {
  float lanes[kLanes];
  std::fill(lanes, lanes + kLanes, kNever);
  for (size_t begin = 0; begin < kBlock; begin += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const float logit = logits[begin + lane];
      lanes[lane] = logit > lanes[lane] ? logit : lanes[lane];
    }
  }
  return *std::max_element(lanes, lanes + kLanes);
}

// Drops all but the `count` likeliest.
void KeepLikeliest(size_t count, std::vector<Candidate>& found) {
  if (found.size() <= count) return;
  std::nth_element(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(count), found.end(),
                   Likelier);
  found.resize(count);
}

}  // namespace

void FindLikeliest(absl::Span<const float> logits, size_t count, std::vector<Candidate>& found) {
  found.clear();
  count = std::min(count, logits.size());
  if (count == 0) return;
  const size_t enough = std::min(2 * count + kSlack, logits.size() + 1);
  // Ids ascend: a later logit must be larger than the least of those kept, not equal to it.
  float threshold = kNever;
  const auto gather = [&](size_t begin, size_t end) {
    for (size_t token = begin; token < end; ++token) {
      if (!(logits[token] > threshold)) continue;
      found.push_back({static_cast<int32_t>(token), logits[token]});
      if (found.size() < enough) continue;
      KeepLikeliest(count, found);
      threshold = std::max_element(found.begin(), found.end(), Likelier)->logit;
    }
  };
  const size_t whole = logits.size() / kBlock * kBlock;
  for (size_t begin = 0; begin < whole; begin += kBlock) {
    if (LargestOfBlock(logits.data() + begin) > threshold) gather(begin, begin + kBlock);
  }
  gather(whole, logits.size());
  KeepLikeliest(count, found);
  std::sort(found.begin(), found.end(), Likelier);
}

}  // namespace scanserve::runtime
