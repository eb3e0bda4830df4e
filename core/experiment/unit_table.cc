#include "core/experiment/unit_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/base/sha256.h"

namespace scanserve::experiment {
namespace {

// Durations below it are what clocks cannot tell apart, and have no logarithm at 0.
constexpr absl::Duration kShortest = absl::Microseconds(1);

uint64_t HexDigits(absl::string_view digits) {
  uint64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return value;
}

void WriteSums(const RequestSums& sums, base::ByteWriter& writer) {
  for (const int64_t count : {sums.requests, sums.errors, sums.cancelled, sums.unsticky,
                              sums.prompt_tokens, sums.generated_tokens}) {
    writer.PutU64(static_cast<uint64_t>(count));
  }
  for (const LogSum& latency : sums.latencies) {
    writer.PutDouble(latency.sum);
    writer.PutU64(static_cast<uint64_t>(latency.count));
  }
}

RequestSums ReadSums(base::ByteReader& reader) {
  RequestSums sums;
  for (int64_t* count : {&sums.requests, &sums.errors, &sums.cancelled, &sums.unsticky,
                         &sums.prompt_tokens, &sums.generated_tokens}) {
    *count = static_cast<int64_t>(reader.U64());
  }
  for (LogSum& latency : sums.latencies) {
    latency.sum = reader.Double();
    latency.count = static_cast<int64_t>(reader.U64());
  }
  return sums;
}

}  // namespace

UnitKey UnitKey::Of(absl::string_view unit) {
  const std::string digest = base::Sha256Hex(unit);
  return {HexDigits(absl::string_view(digest).substr(0, 16)),
          HexDigits(absl::string_view(digest).substr(16, 16))};
}

void RequestSums::Add(const Outcome& outcome) {
  ++requests;
  errors += outcome.end == Outcome::End::kError;
  cancelled += outcome.end == Outcome::End::kCancelled;
  unsticky += outcome.unsticky;
  prompt_tokens += outcome.prompt_tokens;
  generated_tokens += outcome.generated_tokens;
  for (size_t i = 0; i < latencies.size(); ++i) {
    if (!outcome.latencies[i]) continue;
    latencies[i].sum += std::log(absl::ToDoubleSeconds(std::max(*outcome.latencies[i], kShortest)));
    ++latencies[i].count;
  }
}

void RequestSums::Add(const RequestSums& other) {
  requests += other.requests;
  errors += other.errors;
  cancelled += other.cancelled;
  unsticky += other.unsticky;
  prompt_tokens += other.prompt_tokens;
  generated_tokens += other.generated_tokens;
  for (size_t i = 0; i < latencies.size(); ++i) {
    latencies[i].sum += other.latencies[i].sum;
    latencies[i].count += other.latencies[i].count;
  }
}

UnitTable::Seen UnitTable::Expose(const UnitKey& key, size_t arm) {
  const auto [found, is_new] = index_.try_emplace(key, units_.size());
  if (is_new) {
    units_.Add({key, static_cast<uint32_t>(arm), false, {}});
    return Seen::kFirst;
  }
  const Unit& unit = units_[found->second];
  if (unit.arm == arm || unit.excluded) return Seen::kAgain;
  units_.Change(found->second).excluded = true;
  ++excluded_;
  return Seen::kInAnotherArm;
}

void UnitTable::Record(const UnitKey& key, const Outcome& outcome) {
  const auto found = index_.find(key);
  if (found != index_.end()) units_.Change(found->second).sums.Add(outcome);
}

UnitTable UnitTable::Share() {
  UnitTable shared;
  shared.units_ = units_.Share();
  shared.excluded_ = excluded_;
  return shared;
}

void UnitTable::Write(base::ByteWriter& writer) const {
  writer.PutU64(units_.size());
  for (size_t i = 0; i < units_.size(); ++i) {
    const Unit& unit = units_[i];
    writer.PutU64(unit.key.high);
    writer.PutU64(unit.key.low);
    writer.PutU32(unit.arm);
    writer.PutU32(unit.excluded ? 1 : 0);
    WriteSums(unit.sums, writer);
  }
}

bool UnitTable::Read(base::ByteReader& reader, size_t arms) {
  const uint64_t count = reader.U64();
  for (uint64_t i = 0; i < count && reader.ok(); ++i) {
    Unit unit;
    unit.key.high = reader.U64();
    unit.key.low = reader.U64();
    unit.arm = reader.U32();
    unit.excluded = reader.U32() != 0;
    unit.sums = ReadSums(reader);
    if (unit.arm >= arms || !index_.try_emplace(unit.key, units_.size()).second) return false;
    excluded_ += unit.excluded;
    units_.Add(unit);
  }
  return reader.ok();
}

}  // namespace scanserve::experiment
