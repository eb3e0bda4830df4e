#include "core/base/key_ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace scanserve::base {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kZeros(64, '0');
const std::string kOnes(64, '1');

TEST(KeyRingTest, ReadsItsOwnTextWithTheNewestLast) {
  SecretKey first = NewSecretKey(absl::UnixEpoch()).value();
  const SecretKey second = NewSecretKey(absl::UnixEpoch()).value();
  KeyRing written(first);
  written.Add(second, 10);
  const auto read = KeyRing::Parse(written.ToText());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->keys().size(), 2U);
  EXPECT_EQ(read->newest().id, second.id);
  ASSERT_NE(read->Find(first.id), nullptr);
  EXPECT_EQ(read->Find(first.id)->key, first.key);
  EXPECT_EQ(read->Find("other"), nullptr);
}

TEST(KeyRingTest, NewKeysTellTheirDayAndDiffer) {
  const SecretKey first = NewSecretKey(absl::FromUnixSeconds(86'400 * 365)).value();
  const SecretKey second = NewSecretKey(absl::FromUnixSeconds(86'400 * 365)).value();
  EXPECT_THAT(first.id, testing::StartsWith("1971-01-01-"));
  EXPECT_EQ(first.key.size(), kSecretKeyBytes);
  EXPECT_NE(first.id, second.id);
  EXPECT_NE(first.key, second.key);
}

TEST(KeyRingTest, TakesWhatAPersonWrites) {
  const auto ring = KeyRing::Parse(absl::StrCat("# old\n\n  a\t", kZeros, "  \r\nb.2_-  ", kOnes));
  ASSERT_TRUE(ring.ok()) << ring.status();
  EXPECT_EQ(ring->newest().id, "b.2_-");
  EXPECT_EQ(ring->newest().key, std::string(32, '\x11'));
}

TEST(KeyRingTest, NamesTheLineThatIsWrongAndNotItsContent) {
  const std::string good = absl::StrCat("a ", kZeros, "\n");
  const std::string short_key = kOnes.substr(1);
  for (const auto& [line, reason] : std::vector<std::pair<std::string, std::string>>{
           {kOnes, "expected an id and a key"},
           {absl::StrCat("b ", kOnes, " more"), "expected an id and a key"},
           {absl::StrCat("b ", short_key), "the key must be 64 hex digits"},
           {absl::StrCat("b ", short_key, "g"), "the key must be 64 hex digits"},
           {absl::StrCat("b/c ", kOnes), "the id must be 1 to 64 of"},
           {absl::StrCat(std::string(65, 'b'), " ", kOnes), "the id must be 1 to 64 of"},
           {absl::StrCat("a ", kOnes), "the id stands in an earlier line too"}}) {
    const absl::Status status = KeyRing::Parse(good + line).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << line;
    EXPECT_THAT(status.message(), HasSubstr(absl::StrCat("line 2: ", reason)));
    EXPECT_THAT(status.message(), Not(HasSubstr("1111")));
  }
  EXPECT_EQ(KeyRing::Parse("# nothing\n").status().message(), "no key");
}

TEST(KeyRingTest, HoldsAtMost100Keys) {
  std::string text;
  for (int i = 0; i < 100; ++i) absl::StrAppend(&text, "key", i, " ", kZeros, "\n");
  EXPECT_TRUE(KeyRing::Parse(text).ok());
  absl::StrAppend(&text, "one-more ", kZeros, "\n");
  EXPECT_EQ(KeyRing::Parse(text).status().message(), "101 keys, at most 100");
}

TEST(KeyRingTest, DropsTheOldestBeyondWhatIsKept) {
  KeyRing ring(SecretKey{"a", std::string(32, 'a')});
  ring.Add({"b", std::string(32, 'b')}, 2);
  ring.Add({"c", std::string(32, 'c')}, 2);
  EXPECT_EQ(ring.Find("a"), nullptr);
  EXPECT_NE(ring.Find("b"), nullptr);
  ring.Add({"d", std::string(32, 'd')}, 0);
  ASSERT_EQ(ring.keys().size(), 1U);
  EXPECT_EQ(ring.newest().id, "d");
}

}  // namespace
}  // namespace scanserve::base
