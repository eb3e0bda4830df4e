#include "server/convert_scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "server/convert_time.h"

namespace scanserve::server {
namespace {

using testing::HasSubstr;

v1::Provenance GoodProvenance() {
  v1::Provenance proto;
  proto.set_model_digest(std::string(64, 'a'));
  proto.set_tokenizer_digest(std::string(64, 'b'));
  proto.set_layer(11);
  proto.set_rows(600);
  proto.set_rows_used(512);
  proto.set_method("nearest-neighbour");
  proto.set_seed(-4);
  proto.set_natural_length(400.5);
  proto.set_tour_length(100.25);
  proto.mutable_created()->set_seconds(1'700'000'000);
  proto.set_program("scanorder 0.1.0");
  return proto;
}

TEST(ConvertScanTest, AnUnsetOrderIsIdentity) {
  const auto request = ScanSettingFromProto({});
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->order.name, "identity");
  EXPECT_EQ(request->readout, order::Readout::kNaturalLast);
}

TEST(ConvertScanTest, RefusesAReadoutThatItDoesNotKnow) {
  v1::ScanSetting setting;
  setting.set_readout(static_cast<v1::Readout>(9));
  EXPECT_THAT(ScanSettingFromProto(setting).status().message(), HasSubstr("readout: 9"));
}

TEST(ConvertScanTest, ProvenanceSurvivesTheWayThereAndBack) {
  const auto provenance = ProvenanceFromProto(GoodProvenance());
  ASSERT_TRUE(provenance.ok()) << provenance.status();
  EXPECT_EQ(ProvenanceToProto(*provenance).SerializeAsString(),
            GoodProvenance().SerializeAsString());
}

TEST(ConvertScanTest, RefusesProvenanceThatLies) {
  v1::Provenance proto = GoodProvenance();
  proto.set_corpus_digest("XYZ");
  EXPECT_THAT(ProvenanceFromProto(proto).status().message(), HasSubstr("corpus_digest"));
  proto = GoodProvenance();
  proto.set_program(std::string(129, 'x'));
  EXPECT_THAT(ProvenanceFromProto(proto).status().message(), HasSubstr("program: 129 bytes"));
  proto = GoodProvenance();
  proto.set_tour_length(std::numeric_limits<double>::infinity());
  EXPECT_THAT(ProvenanceFromProto(proto).status().message(), HasSubstr("tour_length"));
  proto = GoodProvenance();
  proto.mutable_created()->set_nanos(-1);
  EXPECT_THAT(ProvenanceFromProto(proto).status().message(), HasSubstr("created"));
}

TEST(ConvertTimeTest, NanosecondsAreNeverNegative) {
  const absl::Time before_epoch = absl::UnixEpoch() - absl::Milliseconds(250);
  const auto proto = TimestampToProto(before_epoch);
  EXPECT_EQ(proto.seconds(), -1);
  EXPECT_EQ(proto.nanos(), 750'000'000);
  EXPECT_EQ(TimestampFromProto(proto), before_epoch);
}

}  // namespace
}  // namespace scanserve::server
