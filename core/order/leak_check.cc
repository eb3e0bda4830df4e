#include "core/order/leak_check.h"

#include <algorithm>
#include <utility>

#include "core/order/random_source.h"

namespace scanserve::order {
namespace {

void Shuffle(std::vector<LeakTrial>& trials, size_t first, RandomSource& random) {
  for (size_t i = trials.size(); i > first + 1; --i) {
    const auto count = static_cast<int32_t>(i - first);
    std::swap(trials[i - 1], trials[first + static_cast<size_t>(random.Below(count))]);
  }
}

}  // namespace

LeakCheck::LeakCheck(std::vector<TargetClass> classes, uint64_t seed, int64_t max_trials)
    : classes_(std::move(classes)) {
  for (const TargetClass target_class : classes_) {
    ++checks_[static_cast<size_t>(target_class)].targets;
  }
  Plan(seed, max_trials);
}

void LeakCheck::Plan(uint64_t seed, int64_t max_trials) {
  const auto length = static_cast<int32_t>(classes_.size()) + 1;
  // A leak comes first, so that even a single trial can fail.
  std::vector<LeakTrial> leaked, lookahead_rest, lookahead_next, causal;
  for (int32_t i = 0; i + 1 < length; ++i) {
    const LeakTrial next = {i + 1, i + 2};
    const LeakTrial rest = {i + 1, length};
    switch (classes_[static_cast<size_t>(i)]) {
      case TargetClass::kLeaked:
        leaked.push_back(next);
        break;
      case TargetClass::kLookahead:
        lookahead_rest.push_back(rest);
        lookahead_next.push_back(next);
        break;
      case TargetClass::kCausal:
        causal.push_back(rest);
        break;
    }
  }
  RandomSource random(seed);
  Shuffle(leaked, 0, random);
  Shuffle(lookahead_rest, 0, random);
  Shuffle(lookahead_next, 0, random);
  // The last one looks at the most rows, the first one replaces the most tokens.
  if (causal.size() > 1) std::swap(causal[1], causal.back());
  if (causal.size() > 1) std::swap(causal[0], causal[1]);
  Shuffle(causal, std::min<size_t>(causal.size(), 2), random);
  for (size_t turn = 0; turn < classes_.size(); ++turn) {
    for (const auto* places : {&leaked, &lookahead_rest, &causal, &lookahead_next}) {
      if (turn >= places->size()) continue;
      if (static_cast<int64_t>(trials_.size()) == max_trials) return;
      trials_.push_back((*places)[turn]);
    }
  }
}

void LeakCheck::Add(const LeakTrial& trial, const std::vector<bool>& changed) {
  ++added_;
  const int32_t tried = trial.tried();
  for (int32_t i = 0; i < tried; ++i) {
    if (classes_[static_cast<size_t>(i)] != TargetClass::kCausal) continue;
    AddUnread(i, trial, changed[static_cast<size_t>(i)]);
  }
  const bool tried_changed = changed[static_cast<size_t>(tried)];
  const TargetClass target_class = classes_[static_cast<size_t>(tried)];
  const bool only_next = trial.end == trial.begin + 1;
  const bool unread = target_class == TargetClass::kCausal ||
                      (target_class == TargetClass::kLookahead && only_next);
  if (unread) {
    AddUnread(tried, trial, tried_changed);
  } else {
    ClassCheck& check = Check(tried);
    ++check.read_rows;
    check.read_rows_changed += tried_changed ? 1 : 0;
  }
  all_reached_ = all_reached_ && changed[static_cast<size_t>(trial.begin)];
}

void LeakCheck::AddUnread(int32_t position, const LeakTrial& trial, bool changed) {
  ClassCheck& check = Check(position);
  ++check.unread_rows;
  if (!changed) return;
  ++check.unread_rows_changed;
  if (!contradiction_) contradiction_ = Contradiction{position, trial};
}

LeakVerdict LeakCheck::verdict() const {
  if (added_ == 0) return LeakVerdict::kCounted;
  if (contradiction_) return LeakVerdict::kContradicted;
  const ClassCheck& leaked = of(TargetClass::kLeaked);
  const ClassCheck& lookahead = of(TargetClass::kLookahead);
  const bool leaks = leaked.targets + lookahead.targets > 0;
  const bool leak_shown = leaked.read_rows_changed + lookahead.read_rows_changed > 0;
  if (all_reached_ && (leak_shown || !leaks)) return LeakVerdict::kConfirmed;
  return LeakVerdict::kInconclusive;
}

std::vector<int32_t> ReplacedTokens(absl::Span<const int32_t> tokens, const LeakTrial& trial,
                                    int32_t vocabulary, uint64_t seed) {
  std::vector<int32_t> replaced(tokens.begin(), tokens.end());
  RandomSource random(seed);
  for (int32_t i = trial.begin; i < trial.end; ++i) {
    int32_t& token = replaced[static_cast<size_t>(i)];
    token = (token + 1 + random.Below(vocabulary - 1)) % vocabulary;
  }
  return replaced;
}

}  // namespace scanserve::order
