#include "server/session_seal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "core/base/sha256.h"

namespace scanserve::server {
namespace {

using testing::HasSubstr;
using testing::Not;

const absl::Time kNow = absl::FromUnixSeconds(1'000'000);
const std::string kModel(64, 'a');

base::KeyRing Ring(char byte = 'k', const std::string& id = "first") {
  return base::KeyRing({id, std::string(base::kSecretKeyBytes, byte)});
}

SessionBinding Binding() {
  SessionBinding binding;
  binding.caller_digest = CallerDigest("ann");
  binding.model_digest = kModel;
  binding.adapter_digest = std::string(64, 'b');
  binding.scan.order_name = "weekday";
  binding.scan.order_version = 3;
  binding.scan.order_digest = std::string(64, 'c');
  binding.scan.target_layers = {0, 2, 4095};
  binding.scan.readout = order::Readout::kPinLast;
  binding.revision = 17;
  binding.expires = kNow + absl::Hours(24);
  return binding;
}

std::string Sealed(absl::string_view session = "the state", const base::KeyRing& ring = Ring()) {
  auto sealed = SealSession(ring, Binding(), session);
  EXPECT_TRUE(sealed.ok()) << sealed.status();
  return *std::move(sealed);
}

TEST(SessionSealTest, GivesBackTheSessionAndWhatItIsBoundTo) {
  const std::string session(100'000, 's');
  const auto opened = OpenSession(Ring(), Sealed(session));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->session, session);
  const SessionBinding binding = Binding();
  EXPECT_EQ(opened->binding.caller_digest, binding.caller_digest);
  EXPECT_EQ(opened->binding.model_digest, binding.model_digest);
  EXPECT_EQ(opened->binding.adapter_digest, binding.adapter_digest);
  EXPECT_EQ(opened->binding.scan, binding.scan);
  EXPECT_EQ(opened->binding.revision, binding.revision);
  EXPECT_EQ(opened->binding.expires, binding.expires);
}

TEST(SessionSealTest, NeitherSessionNorCallerCanBeReadAndNoTwoSealsAreEqual) {
  const std::string sealed = Sealed("a secret state");
  EXPECT_THAT(sealed, Not(HasSubstr("secret")));
  EXPECT_THAT(sealed, Not(HasSubstr("ann")));
  EXPECT_NE(sealed, Sealed("a secret state"));
}

TEST(SessionSealTest, EveryFlippedByteIsFound) {
  const std::string sealed = Sealed();
  for (size_t place = 0; place < sealed.size(); ++place) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string altered = sealed;
      altered[place] = static_cast<char>(altered[place] ^ (1 << bit));
      ASSERT_TRUE(absl::IsInvalidArgument(OpenSession(Ring(), altered).status())) << place;
    }
  }
}

TEST(SessionSealTest, EveryLengthThatIsCutShortIsFound) {
  const std::string sealed = Sealed();
  for (size_t length = 0; length < sealed.size(); ++length) {
    ASSERT_TRUE(absl::IsInvalidArgument(OpenSession(Ring(), sealed.substr(0, length)).status()))
        << length;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(OpenSession(Ring(), sealed + "x").status()));
}

TEST(SessionSealTest, RandomBytesAreRefused) {
  std::mt19937 random(1);
  for (int round = 0; round < 2'000; ++round) {
    std::string bytes(random() % 300, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    ASSERT_TRUE(absl::IsInvalidArgument(OpenSession(Ring(), bytes).status()));
  }
}

// A header with a checksum of its own, as a forger can make one: the blob's header and the rest of
// it.
std::string Forged(const std::string& header, absl::string_view rest) {
  std::string blob(4, '\0');
  for (int i = 0; i < 4; ++i)
    blob[static_cast<size_t>(i)] = static_cast<char>(header.size() >> 8 * i);
  return absl::StrCat(blob, header, base::Sha256Hex(header).substr(0, 16), rest);
}

TEST(SessionSealTest, AForgedHeaderIsFoundByTheSeal) {
  const std::string sealed = Sealed();
  const size_t header_bytes = static_cast<unsigned char>(sealed[0]) |
                              static_cast<size_t>(static_cast<unsigned char>(sealed[1])) << 8;
  const std::string header = sealed.substr(4, header_bytes);
  const std::string rest = sealed.substr(4 + header_bytes + 16);
  ASSERT_TRUE(OpenSession(Ring(), Forged(header, rest)).ok()) << "the format is this one";
  // Each byte of it, the expiry and the digests among them.
  for (size_t place = 0; place < header.size(); ++place) {
    std::string altered = header;
    altered[place] = static_cast<char>(altered[place] ^ 1);
    const absl::Status status = OpenSession(Ring(), Forged(altered, rest)).status();
    ASSERT_TRUE(absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status)) << place;
  }
  for (size_t length = 0; length < header.size(); ++length) {
    ASSERT_FALSE(OpenSession(Ring(), Forged(header.substr(0, length), rest)).ok()) << length;
  }
  EXPECT_THAT(OpenSession(Ring(), Forged(std::string(100'000, 'h'), rest)).status().message(),
              HasSubstr("its header is too long"));
}

TEST(SessionSealTest, OldKeysOpenAndTheNewestSeals) {
  base::KeyRing ring = Ring();
  const std::string old = Sealed("old", ring);
  ring.Add({"second", std::string(base::kSecretKeyBytes, '2')}, 2);
  const std::string renewed = Sealed("new", ring);
  EXPECT_EQ(OpenSession(ring, old)->session, "old");
  EXPECT_EQ(OpenSession(ring, renewed)->session, "new");
  const absl::Status unknown = OpenSession(Ring(), renewed).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(unknown));
  EXPECT_EQ(unknown.message(),
            "session: it was sealed with key \"second\", which this server does not have");
  ring.Add({"third", std::string(base::kSecretKeyBytes, '3')}, 2);
  EXPECT_TRUE(absl::IsFailedPrecondition(OpenSession(ring, old).status())) << "a removed key";
  // Another key under the same id opens nothing.
  EXPECT_TRUE(absl::IsInvalidArgument(OpenSession(Ring('x'), old).status()));
}

TEST(SessionSealTest, RefusesMoreThan64MiBEachWay) {
  EXPECT_TRUE(SealSession(Ring(), Binding(), std::string((64 << 20) - 1'000, 's')).ok());
  const absl::Status large = SealSession(Ring(), Binding(), std::string(64 << 20, 's')).status();
  EXPECT_TRUE(absl::IsInvalidArgument(large));
  EXPECT_THAT(large.message(), HasSubstr("at most 67108864"));
  EXPECT_EQ(OpenSession(Ring(), std::string((64 << 20) + 1, 's')).status().message(),
            "session: 67108865 bytes, at most 67108864");
}

TEST(SessionSealTest, IsForOneCallerOneModelAndATime) {
  const SessionBinding binding = Binding();
  const std::string ann = CallerDigest("ann");
  EXPECT_TRUE(CheckSessionBinding(binding, ann, kModel, kNow).ok());
  const auto refusal = [&](const std::string& caller, const std::string& model, absl::Time now) {
    const absl::Status status = CheckSessionBinding(binding, caller, model, now);
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    return std::string(status.message());
  };
  EXPECT_EQ(refusal(CallerDigest("bob"), kModel, kNow), "session: it belongs to another caller");
  EXPECT_EQ(refusal(CallerDigest(""), kModel, kNow), "session: it belongs to another caller");
  EXPECT_EQ(refusal(ann, std::string(64, 'd'), kNow),
            "session: it is of model aaaaaaaaaaaa, the one served is dddddddddddd");
  EXPECT_TRUE(
      CheckSessionBinding(binding, ann, kModel, binding.expires - absl::Microseconds(1)).ok());
  EXPECT_EQ(refusal(ann, kModel, binding.expires), "session: it expired at 1970-01-13T13:46:40Z");
}

}  // namespace
}  // namespace scanserve::server
