#include "client/scan_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace scanserve::client {
namespace {

TEST(ScanChoiceTest, ReadsANameWithAndWithoutVersion) {
  EXPECT_EQ(ParseScanOrderRef("wiki")->name(), "wiki");
  EXPECT_EQ(ParseScanOrderRef("wiki")->version(), 0);
  EXPECT_EQ(ParseScanOrderRef("wiki@12")->name(), "wiki");
  EXPECT_EQ(ParseScanOrderRef("wiki@12")->version(), 12);
}

TEST(ScanChoiceTest, ReadsADigest) {
  const std::string digest(64, 'a');
  EXPECT_EQ(ParseScanOrderRef("sha256:" + digest)->digest(), digest);
  EXPECT_EQ(ParseScanOrderRef("sha256:" + digest)->name(), "");
  EXPECT_EQ(ParseAdapterRef(digest)->name(), digest);
}

TEST(ScanChoiceTest, RefusesWhatNamesNothing) {
  for (const char* text :
       {"", "@1", "wiki@", "wiki@0", "wiki@-1", "wiki@x", "sha256:12", "sha256:"}) {
    EXPECT_FALSE(ParseScanOrderRef(text).ok()) << text;
  }
  EXPECT_FALSE(ParseScanOrderRef("sha256:" + std::string(64, 'A')).ok());
}

TEST(ScanChoiceTest, WritesASettingInOneLine) {
  v1::ScanSetting setting;
  EXPECT_EQ(ScanSettingText(setting), "identity");
  setting.mutable_order()->set_name("wiki");
  setting.mutable_order()->set_version(2);
  setting.mutable_order()->set_digest(std::string(64, 'a'));
  setting.add_target_layers(0);
  setting.add_target_layers(3);
  setting.set_readout(v1::READOUT_PIN_LAST);
  EXPECT_EQ(ScanSettingText(setting), "wiki@2, layers 0,3, pin-last");
}

TEST(ScanChoiceTest, NeverTakesAnOrderWithADigestForIdentity) {
  v1::ScanSetting setting;
  setting.mutable_order()->set_name("identity");
  EXPECT_EQ(ScanOrderText(setting), "identity");
  setting.mutable_order()->set_digest(std::string(64, 'a'));
  setting.mutable_order()->set_name("");
  EXPECT_EQ(ScanOrderText(setting), "sha256:aaaaaaaaaaaa");
}

TEST(ScanChoiceTest, WritesTheAdapterInForce) {
  v1::InForce in_force;
  EXPECT_EQ(AdapterText(in_force), "none");
  in_force.mutable_adapter()->set_name("kjv");
  in_force.mutable_adapter()->set_version(1);
  EXPECT_EQ(AdapterText(in_force), "kjv@1");
  in_force.set_adapter_merged(true);
  EXPECT_EQ(AdapterText(in_force), "kjv@1, merged");
}

}  // namespace
}  // namespace scanserve::client
