#include "core/model/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/core/model/checkpoint_folder.h"
#include "tests/core/model/largest_allocation.h"

namespace scanserve::model {
namespace {

using ::testing::HasSubstr;

struct LyingFile {
  std::string what;
  std::string file;
  // Part of the sentence.
  std::string refusal;
};

std::string TwelveBytes() { return std::string(12, 'x'); }

// One tensor "a" of 12 bytes of data, described by `entry`.
std::string OneTensor(const std::string& entry) {
  return WithHeader("{\"a\":" + entry + "}", TwelveBytes());
}

std::string OneShape(const std::string& shape) {
  return OneTensor(R"({"dtype":"F32","shape":)" + shape + R"(,"data_offsets":[0,12]})");
}

std::string OneRange(const std::string& offsets) {
  return OneTensor(R"({"dtype":"U8","shape":[12],"data_offsets":)" + offsets + "}");
}

// Tensors "a" and "b" of bytes with these ranges.
std::string TwoRanges(const std::string& a, const std::string& b) {
  const auto entry = [](const std::string& range) {
    const nlohmann::json parsed = nlohmann::json::parse(range);
    const int64_t size = parsed[1].get<int64_t>() - parsed[0].get<int64_t>();
    return R"({"dtype":"U8","shape":[)" + std::to_string(size) + R"(],"data_offsets":)" + range +
           "}";
  };
  return WithHeader("{\"a\":" + entry(a) + ",\"b\":" + entry(b) + "}", TwelveBytes());
}

std::string WithLength(uint64_t length, std::string file) {
  for (int i = 0; i < 8; ++i) file[static_cast<size_t>(i)] = static_cast<char>(length >> (8 * i));
  return file;
}

std::vector<LyingFile> FilesWithLyingHeaders() {
  const std::string valid = OneShape("[3]");
  const std::string deep = std::string(200'000, '[') + std::string(200'000, ']');
  const std::string entry = R"({"dtype":"U8","shape":[12],"data_offsets":[0,12]})";
  return {
      {"nothing", "", "0 bytes has no header"},
      {"seven bytes", "1234567", "7 bytes has no header"},
      {"a length one past the end", WithLength(valid.size() - 7, valid), "at most"},
      {"the largest length", WithLength(UINT64_MAX, valid), "header of 18446744073709551615"},
      {"a length that wraps around", WithLength(UINT64_MAX - 7, valid), "at most"},
      {"a header cut short", WithLength(20, valid), "not a JSON object"},
      {"no header", WithHeader("", TwelveBytes()), "not a JSON object"},
      {"a list for a header", WithHeader("[]", ""), "not a JSON object"},
      {"text for a header", WithHeader("hello", ""), "not a JSON object"},
      {"invalid UTF-8", WithHeader("{\"\xff\":" + entry + "}", TwelveBytes()), "JSON"},
      {"a deep header", WithHeader("{\"a\":" + deep + "}", ""), "deeper than 64"},
      {"a deep shape", OneShape(deep), "deeper than 64"},
      {"a name twice", WithHeader("{\"a\":" + entry + ",\"a\":" + entry + "}", TwelveBytes()),
       "tensor a: stands in the header twice"},
      {"no name twice", WithHeader("{\"\":" + entry + ",\"\":" + entry + "}", TwelveBytes()),
       "tensor : stands in the header twice"},
      {"an entry that is a number", OneTensor("7"), "tensor a: its entry is not an object"},
      {"bytes after the last tensor", valid + "xyz", "the last 3 bytes belong to no tensor"},
      {"data without tensors", WithHeader("{}", TwelveBytes()), "the last 12 bytes"},
  };
}

std::vector<LyingFile> FilesWithLyingEntries() {
  return {
      {"no dtype", OneTensor(R"({"shape":[3],"data_offsets":[0,12]})"), "dtype missing"},
      {"an unknown dtype", OneTensor(R"({"dtype":"F31","shape":[3],"data_offsets":[0,12]})"),
       "tensor a: dtype F31 is not known"},
      {"a dtype that is a number", OneTensor(R"({"dtype":3,"shape":[3],"data_offsets":[0,12]})"),
       "dtype"},
      {"no shape", OneTensor(R"({"dtype":"F32","data_offsets":[0,12]})"), "tensor a: no shape"},
      {"a shape that is a number", OneShape("3"), "no shape"},
      {"a negative extent", OneShape("[-3]"), "shape [-3] is not valid"},
      {"a fractional extent", OneShape("[3.0]"), "is not valid"},
      {"a text extent", OneShape("[\"3\"]"), "is not valid"},
      {"an extent of 2^63", OneShape("[9223372036854775808]"), "is not valid"},
      {"an extent beyond 64 bits", OneShape("[100000000000000000000]"), "is not valid"},
      {"extents whose product wraps to 3",
       OneShape("[281474976710656,281474976710656,281474976710656,3]"), "is too large"},
      {"extents whose product wraps to 0", OneShape("[4294967296,4294967296]"), "is too large"},
      {"too few bytes", OneShape("[4]"), "data_offsets hold 12 bytes, shape [4] of F32 needs 16"},
      {"too many bytes", OneShape("[2]"), "needs 8"},
      {"no offsets", OneTensor(R"({"dtype":"U8","shape":[12]})"), "tensor a: no data_offsets"},
      {"one offset", OneRange("[0]"), "no data_offsets"},
      {"three offsets", OneRange("[0,12,12]"), "no data_offsets"},
      {"a negative offset", OneRange("[-1,12]"), "no data_offsets"},
      {"a fractional offset", OneRange("[0.0,12]"), "no data_offsets"},
      {"an end past the data", OneRange("[1,13]"), "data_offsets [1, 13] do not lie within 12"},
      {"an end before the beginning", OneRange("[12,0]"), "do not lie within"},
      {"an end of 2^64 - 1", OneRange("[0,18446744073709551615]"), "do not lie within"},
      {"offsets that wrap around", OneRange("[18446744073709551615,11]"), "do not lie within"},
      {"one tensor over another", TwoRanges("[0,8]", "[4,12]"), "tensor b: its data overlaps"},
      {"one tensor twice", TwoRanges("[0,12]", "[0,12]"), "its data overlaps"},
      {"a hole", TwoRanges("[0,4]", "[8,12]"), "tensor b: bytes before its data belong to no"},
      {"a hole at the beginning", TwoRanges("[1,4]", "[4,12]"), "tensor a: bytes before"},
      {"an empty tensor inside another", TwoRanges("[0,12]", "[4,4]"), "overlaps"},
  };
}

void ExpectRefusals(const std::vector<LyingFile>& files) {
  for (const LyingFile& lying : files) {
    SCOPED_TRACE(lying.what);
    ResetLargestAllocation();
    const auto parsed = ParseSafetensors(AsBytes(lying.file));
    EXPECT_LE(LargestAllocation(), 16 * (lying.file.size() + 1024));
    ASSERT_FALSE(parsed.ok());
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(lying.refusal));
    EXPECT_LE(parsed.status().message().size(), 300U);
  }
}

TEST(SafetensorsTest, RefusesLyingHeadersWithASentenceAndLittleMemory) {
  ExpectRefusals(FilesWithLyingHeaders());
}

TEST(SafetensorsTest, RefusesLyingEntriesWithASentenceAndLittleMemory) {
  ExpectRefusals(FilesWithLyingEntries());
}

TEST(SafetensorsTest, RefusesAFileCutAnywhere) {
  const std::string whole = WriteSafetensors(
      {{"first", ZeroTensor({2, 3})}, {"second", ZeroTensor({5})}, {"third", ZeroTensor({1})}});
  ASSERT_TRUE(ParseSafetensors(AsBytes(whole)).ok());
  for (size_t length = 0; length < whole.size(); ++length) {
    const auto parsed = ParseSafetensors(AsBytes(whole.substr(0, length)));
    ASSERT_FALSE(parsed.ok()) << length << " bytes of " << whole.size();
    EXPECT_FALSE(parsed.status().message().empty());
  }
}

TEST(SafetensorsTest, ReadsScalarsEmptyTensorsAndTypesThatNoModelUses) {
  StoredTensors tensors = {{"empty", ZeroTensor({0, 7})}, {"scalar", ZeroTensor({})}};
  tensors["count"] = {"I64", {2}, std::string(16, '\1')};
  const std::string file = WriteSafetensors(tensors);
  const auto parsed = ParseSafetensors(AsBytes(file));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ASSERT_EQ(parsed->size(), 3U);
  EXPECT_EQ(parsed->at("empty").size(), 0);
  EXPECT_EQ(parsed->at("scalar").size(), 1);
  EXPECT_EQ(parsed->at("count").type, DataType::kOther);
  EXPECT_EQ(parsed->at("count").type_name, "I64");
  EXPECT_EQ(parsed->at("count").bytes.size(), 16U);
}

TEST(SafetensorsTest, ReadsAFileWithoutTensors) {
  const std::string file = WithHeader(R"({"__metadata__":{"format":"pt"}}  )", "");
  const auto parsed = ParseSafetensors(AsBytes(file));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_TRUE(parsed->empty());
}

// Not in time that grows with the square of their number: that would take an hour.
TEST(SafetensorsTest, ReadsAHeaderOfManyObjects) {
  std::string objects = "{}";
  while (objects.size() < 6'000'000) objects += ",{}";
  const auto parsed = ParseSafetensors(AsBytes(WithHeader("{\"a\":[" + objects + "]}", "")));
  EXPECT_EQ(parsed.status().message(), "tensor a: its entry is not an object");
}

// The value of one half-precision number with these bits.
float Widened(DataType type, uint16_t bits) {
  const std::string bytes = {static_cast<char>(bits), static_cast<char>(bits >> 8)};
  const TensorView tensor = {type, "", {1}, AsBytes(bytes)};
  float value = -1;
  WidenToFloat(tensor, 0, 1, &value);
  return value;
}

TEST(SafetensorsTest, WidensEveryHalfToItsValue) {
  for (uint32_t bits = 0; bits < 0x7C00U; ++bits) {
    const int exponent = std::max<int>(static_cast<int>(bits >> 10), 1);
    const int mantissa = static_cast<int>(bits & 0x3FFU) + (bits >= 0x400U ? 0x400 : 0);
    const float expected = std::ldexp(static_cast<float>(mantissa), exponent - 25);
    ASSERT_EQ(Widened(DataType::kFloat16, static_cast<uint16_t>(bits)), expected) << bits;
    ASSERT_EQ(Widened(DataType::kFloat16, static_cast<uint16_t>(bits | 0x8000U)), -expected);
  }
  EXPECT_TRUE(std::signbit(Widened(DataType::kFloat16, 0x8000)));
  EXPECT_EQ(Widened(DataType::kFloat16, 0x7C00), std::numeric_limits<float>::infinity());
  EXPECT_EQ(Widened(DataType::kFloat16, 0xFC00), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(Widened(DataType::kFloat16, 0x7C01)));
}

TEST(SafetensorsTest, WidensBFloat16ToItsValue) {
  EXPECT_EQ(Widened(DataType::kBFloat16, 0x3F80), 1.0F);
  EXPECT_EQ(Widened(DataType::kBFloat16, 0xC0A0), -5.0F);
  EXPECT_EQ(Widened(DataType::kBFloat16, 0x0001), 0x1p-133F);
  EXPECT_TRUE(std::isnan(Widened(DataType::kBFloat16, 0x7FC0)));
}

}  // namespace
}  // namespace scanserve::model
