// Checks the classes of targets by computation: what changes when tokens are replaced.
//
// Row i is what the model says at position i. Where the classes are right it stays as it was, to
// the bit, as long as no token that position i has read is replaced.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "core/order/target_class.h"

namespace scanserve::order {

// One prompt to compute: tokens begin <= i < end are replaced, and rows 0..begin are looked at. Row
// begin - 1 is the one that is tried, and row begin, whose own token is replaced, shows that the
// replacement reached the model.
struct LeakTrial {
  int32_t begin = 0;
  int32_t end = 0;

  int32_t tried() const { return begin - 1; }
  friend bool operator==(const LeakTrial&, const LeakTrial&) = default;
};

// Rows of one class over all trials.
struct ClassCheck {
  int64_t targets = 0;
  int64_t unread_rows = 0;  // their positions have read no token replaced
  int64_t unread_rows_changed = 0;
  int64_t read_rows = 0;  // they have
  int64_t read_rows_changed = 0;
};

enum class LeakVerdict {
  kCounted,       // no trial was added
  kConfirmed,     // nothing changed that must not, and where there is a leak, something did
  kContradicted,  // something changed that must not
  kInconclusive,  // nothing changed that must not, nor anything else
};

// Plans the trials of one prompt and judges them. Not thread-safe.
class LeakCheck {
 public:
  struct Contradiction {
    int32_t position = 0;
    LeakTrial trial;
  };

  // `classes` as ClassifyTargets gives them for a prompt of classes.size() + 1 tokens. Plans at
  // most `max_trials`, the places chosen by `seed` where there are more, spread over the classes:
  //   leaked      token i+1 alone is replaced: row i may change
  //   lookahead   token i+1 alone: row i must not change; all after i: it may
  //   causal      all after i: row i must not change
  // In every one of them, no causal row before i may change either.
  LeakCheck(std::vector<TargetClass> classes, uint64_t seed, int64_t max_trials);

  const std::vector<LeakTrial>& trials() const { return trials_; }

  // What a trial of the plan showed: changed[j] says whether row j differs from that of the first
  // prompt, for j = 0..trial.begin.
  void Add(const LeakTrial& trial, const std::vector<bool>& changed);

  const ClassCheck& of(TargetClass target_class) const {
    return checks_[static_cast<size_t>(target_class)];
  }
  // Of the trials added so far.
  LeakVerdict verdict() const;
  // The first row that changed and must not.
  const std::optional<Contradiction>& contradiction() const { return contradiction_; }

 private:
  void Plan(uint64_t seed, int64_t max_trials);
  ClassCheck& Check(int32_t position) {
    return checks_[static_cast<size_t>(classes_[static_cast<size_t>(position)])];
  }
  void AddUnread(int32_t position, const LeakTrial& trial, bool changed);

  const std::vector<TargetClass> classes_;
  std::vector<LeakTrial> trials_;
  ClassCheck checks_[3];
  int64_t added_ = 0;
  bool all_reached_ = true;
  std::optional<Contradiction> contradiction_;
};

// `tokens` with those of the trial replaced by other ids below `vocabulary`, which is at least 2.
std::vector<int32_t> ReplacedTokens(absl::Span<const int32_t> tokens, const LeakTrial& trial,
                                    int32_t vocabulary, uint64_t seed);

}  // namespace scanserve::order
