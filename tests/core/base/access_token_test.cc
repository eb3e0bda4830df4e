#include "core/base/access_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace scanserve::base {
namespace {

using testing::HasSubstr;

// SHA-256 of "abc", from FIPS 180-2.
constexpr char kAbc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(AccessTokenTest, AListKnowsItsTokensByTheirDigest) {
  const auto list =
      TokenList::Parse(absl::StrCat("# a comment\n\n ann infer ", kAbc, " 2027-01-31T00:00:00Z\n"));
  ASSERT_TRUE(list.ok()) << list.status();
  const TokenRecord* record = list->Find("abc");
  ASSERT_NE(record, nullptr);
  EXPECT_EQ(record->id, "ann");
  EXPECT_EQ(record->role, Role::kInfer);
  EXPECT_EQ(FormatExpiry(record->expires), "2027-01-31T00:00:00Z");
  EXPECT_EQ(list->Find("abd"), nullptr);
  EXPECT_EQ(list->Find(""), nullptr);
  EXPECT_EQ(list->Find(kAbc), nullptr);
}

TEST(AccessTokenTest, WritesWhatItReads) {
  TokenList list;
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  for (const Role role : {Role::kInfer, Role::kMetrics, Role::kAdmin}) {
    const auto token = NewAccessToken();
    ASSERT_TRUE(token.ok());
    EXPECT_EQ(token->size(), 47u);
    EXPECT_THAT(*token, testing::StartsWith("sst_"));
    const absl::Time expires = role == Role::kAdmin ? absl::InfiniteFuture() : now;
    ASSERT_TRUE(list.Add(RecordOf(*token, role, expires, now)).ok());
    const auto read = TokenList::Parse(list.ToText());
    ASSERT_TRUE(read.ok()) << read.status();
    ASSERT_NE(read->Find(*token), nullptr);
    EXPECT_EQ(read->Find(*token)->role, role);
    EXPECT_EQ(read->Find(*token)->expires, expires);
    EXPECT_THAT(list.ToText(), testing::Not(HasSubstr(*token)));
  }
  const std::string id = list.records().front().id;
  EXPECT_TRUE(list.Remove(id).ok());
  EXPECT_TRUE(absl::IsNotFound(list.Remove(id)));
  EXPECT_EQ(list.records().size(), 2u);
}

TEST(AccessTokenTest, NamesTheLineAndNotItsContent) {
  const std::pair<std::string, std::string> cases[] = {
      {"ann infer", "expected an id, a role, a digest and an expiry"},
      {absl::StrCat("a/b infer ", kAbc, " never"), "the id must be"},
      {absl::StrCat("ann root ", kAbc, " never"), "the role must be infer, metrics or admin"},
      {"ann infer planted never", "the digest must be 64"},
      {absl::StrCat("ann infer ", kAbc, " tomorrow"), "the expiry must be"},
      {absl::StrCat("ann infer ", kAbc, " never\nbob infer ", kAbc, " never"), "earlier line"},
  };
  for (const auto& [text, fault] : cases) {
    const auto list = TokenList::Parse(text);
    EXPECT_THAT(std::string(list.status().message()), HasSubstr(fault)) << text;
    EXPECT_THAT(std::string(list.status().message()), testing::StartsWith("line "));
    EXPECT_THAT(std::string(list.status().message()), testing::Not(HasSubstr("planted")));
  }
}

}  // namespace
}  // namespace scanserve::base
