#include "core/base/byte_codec.h"

#include <gtest/gtest.h>

namespace scanserve::base {
namespace {

TEST(ByteCodecTest, GivesBackWhatWasWritten) {
  ByteWriter writer;
  writer.PutU32(0xFFFFFFFE);
  writer.PutU64(0x0123456789ABCDEF);
  writer.PutDouble(-0.1);
  writer.PutString(absl::string_view("a\0b", 3));
  writer.PutString("");
  writer.PutBytes("xy");
  ByteReader reader(writer.data());
  EXPECT_EQ(reader.U32(), 0xFFFFFFFE);
  EXPECT_EQ(reader.U64(), 0x0123456789ABCDEF);
  EXPECT_EQ(reader.Double(), -0.1);
  EXPECT_EQ(reader.String(), absl::string_view("a\0b", 3));
  EXPECT_EQ(reader.String(), "");
  EXPECT_FALSE(reader.complete());
  EXPECT_EQ(reader.Bytes(2), "xy");
  EXPECT_TRUE(reader.complete());
}

TEST(ByteCodecTest, WritesTheLowestByteFirst) {
  ByteWriter writer;
  writer.PutU32(0x01020304);
  EXPECT_EQ(writer.data(), "\x04\x03\x02\x01");
}

TEST(ByteCodecTest, AReadPastTheEndFailsForGood) {
  const std::string data("\x05\0\0\0abcd", 8);  // a length of 5 before 4 bytes
  ByteReader reader(data);
  EXPECT_EQ(reader.String(), "");
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.Bytes(1), "") << "though there are bytes left";
  EXPECT_FALSE(reader.complete());
  ByteReader huge("abc");
  EXPECT_EQ(huge.Bytes(UINT64_MAX), "");
  EXPECT_FALSE(huge.ok());
  ByteReader half("abc");
  EXPECT_EQ(half.U32(), 0U);
  EXPECT_FALSE(half.ok());
}

}  // namespace
}  // namespace scanserve::base
