// The units of an experiment and what their requests added up to: all that its statistics of
// latency and errors are computed from.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/base/block_list.h"
#include "core/base/byte_codec.h"
#include "core/experiment/design.h"

namespace scanserve::experiment {

// 128 bits of the SHA-256 of a unit's key, which is kept nowhere.
struct UnitKey {
  uint64_t high = 0;
  uint64_t low = 0;

  static UnitKey Of(absl::string_view unit);
  friend bool operator==(const UnitKey&, const UnitKey&) = default;
};

struct UnitKeyHash {
  size_t operator()(const UnitKey& key) const { return key.low; }
};

// How a request ended.
struct Outcome {
  enum class End { kOk, kError, kCancelled };
  End end = End::kOk;
  // The request named no unit.
  bool unsticky = false;
  int64_t prompt_tokens = 0;
  int64_t generated_tokens = 0;
  // In the order of kUnitMetrics; nothing where there was none, such as gaps of a single token.
  std::array<std::optional<absl::Duration>, kLatencies> latencies;
};

// A sum of logarithms, and of how many.
struct LogSum {
  double sum = 0;
  int64_t count = 0;
};

// Over requests: of one unit, or of an arm.
struct RequestSums {
  int64_t requests = 0;
  int64_t errors = 0;
  int64_t cancelled = 0;
  int64_t unsticky = 0;
  int64_t prompt_tokens = 0;
  int64_t generated_tokens = 0;
  std::array<LogSum, kLatencies> latencies{};

  void Add(const Outcome& outcome);
  void Add(const RequestSums& other);
};

struct Unit {
  UnitKey key;
  uint32_t arm = 0;
  // It was seen in another arm too.
  bool excluded = false;
  RequestSums sums;
};

// Units in the order in which they were first seen. Not thread-safe.
class UnitTable {
 public:
  enum class Seen { kFirst, kAgain, kInAnotherArm };
  // A unit seen in two arms is excluded from then on; kInAnotherArm says so once.
  Seen Expose(const UnitKey& key, size_t arm);
  // Of a unit that was exposed; others change nothing.
  void Record(const UnitKey& key, const Outcome& outcome);

  // What is in the table now, for reading: it finds no unit by its key.
  UnitTable Share();

  const base::BlockList<Unit>& units() const { return units_; }
  int64_t excluded() const { return excluded_; }

  void Write(base::ByteWriter& writer) const;
  // False when what is read is no table of units of so many arms.
  bool Read(base::ByteReader& reader, size_t arms);

 private:
  base::BlockList<Unit> units_;
  std::unordered_map<UnitKey, size_t, UnitKeyHash> index_;
  int64_t excluded_ = 0;
};

}  // namespace scanserve::experiment
