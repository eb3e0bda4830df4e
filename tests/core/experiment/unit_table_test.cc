#include "core/experiment/unit_table.h"

#include <gtest/gtest.h>

#include <cmath>

namespace scanserve::experiment {
namespace {

Outcome Of(absl::Duration first_token, int64_t tokens) {
  Outcome outcome;
  outcome.generated_tokens = tokens;
  outcome.latencies[0] = first_token;
  return outcome;
}

TEST(UnitTableTest, AddsUpTheRequestsOfAUnit) {
  UnitTable table;
  const UnitKey ann = UnitKey::Of("ann");
  EXPECT_EQ(table.Expose(ann, 1), UnitTable::Seen::kFirst);
  EXPECT_EQ(table.Expose(ann, 1), UnitTable::Seen::kAgain);
  table.Record(ann, Of(absl::Seconds(2), 5));
  Outcome failed;
  failed.end = Outcome::End::kError;
  failed.unsticky = true;
  table.Record(ann, failed);
  ASSERT_EQ(table.units().size(), 1u);
  const Unit& unit = table.units()[0];
  EXPECT_EQ(unit.arm, 1u);
  EXPECT_EQ(unit.sums.requests, 2);
  EXPECT_EQ(unit.sums.errors, 1);
  EXPECT_EQ(unit.sums.cancelled, 0);
  EXPECT_EQ(unit.sums.unsticky, 1);
  EXPECT_EQ(unit.sums.generated_tokens, 5);
  EXPECT_EQ(unit.sums.latencies[0].count, 1);
  EXPECT_DOUBLE_EQ(unit.sums.latencies[0].sum, std::log(2));
  EXPECT_EQ(unit.sums.latencies[1].count, 0);
}

TEST(UnitTableTest, AUnitInTwoArmsIsExcludedAndCountedOnce) {
  UnitTable table;
  const UnitKey ann = UnitKey::Of("ann");
  table.Expose(ann, 0);
  EXPECT_EQ(table.Expose(ann, 1), UnitTable::Seen::kInAnotherArm);
  EXPECT_EQ(table.Expose(ann, 1), UnitTable::Seen::kAgain);
  EXPECT_EQ(table.Expose(ann, 0), UnitTable::Seen::kAgain);
  EXPECT_TRUE(table.units()[0].excluded);
  EXPECT_EQ(table.excluded(), 1);
}

TEST(UnitTableTest, ALatencyOfNothingHasALogarithmToo) {
  UnitTable table;
  table.Expose(UnitKey::Of("ann"), 0);
  table.Record(UnitKey::Of("ann"), Of(absl::ZeroDuration(), 1));
  EXPECT_DOUBLE_EQ(table.units()[0].sums.latencies[0].sum, std::log(1e-6));
}

TEST(UnitTableTest, RecordsNothingForUnitsThatWereNotExposed) {
  UnitTable table;
  table.Record(UnitKey::Of("ann"), Of(absl::Seconds(1), 1));
  EXPECT_EQ(table.units().size(), 0u);
}

// sha256sum
TEST(UnitTableTest, KeysAreTheFirstHalfOfTheDigest) {
  const UnitKey key = UnitKey::Of("abc");
  EXPECT_EQ(key.high, 0xba7816bf8f01cfeau);
  EXPECT_EQ(key.low, 0x414140de5dae2223u);
}

TEST(UnitTableTest, IsReadAsItWasWritten) {
  UnitTable table;
  table.Expose(UnitKey::Of("ann"), 0);
  table.Expose(UnitKey::Of("bob"), 1);
  table.Expose(UnitKey::Of("bob"), 0);
  table.Record(UnitKey::Of("ann"), Of(absl::Milliseconds(333), 7));
  base::ByteWriter writer;
  table.Write(writer);
  UnitTable read;
  base::ByteReader reader(writer.data());
  ASSERT_TRUE(read.Read(reader, 2));
  base::ByteWriter again;
  read.Write(again);
  EXPECT_EQ(again.data(), writer.data());
  EXPECT_EQ(read.excluded(), 1);
  EXPECT_EQ(read.Expose(UnitKey::Of("ann"), 0), UnitTable::Seen::kAgain);
}

TEST(UnitTableTest, ReadsNothingShorterAndNoArmThatThereIsNot) {
  UnitTable table;
  table.Expose(UnitKey::Of("ann"), 1);
  base::ByteWriter writer;
  table.Write(writer);
  for (size_t size = 0; size < writer.data().size(); ++size) {
    base::ByteReader reader(absl::string_view(writer.data()).substr(0, size));
    EXPECT_FALSE(UnitTable().Read(reader, 2)) << size;
  }
  base::ByteReader reader(writer.data());
  EXPECT_FALSE(UnitTable().Read(reader, 1));
}

}  // namespace
}  // namespace scanserve::experiment
