#include "core/base/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"

namespace scanserve::base {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int64_t kMaxEntries = 100;

std::string Header(absl::string_view dictionary) {
  std::string text = absl::StrCat(dictionary, "\n");
  return absl::StrCat(
      absl::string_view("\x93NUMPY\x01\x00", 8),
      std::string{static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)},
      text);
}

std::string Dictionary(absl::string_view type, absl::string_view shape) {
  return absl::StrCat("{'descr': '", type, "', 'fortran_order': False, 'shape': ", shape, ", }");
}

// Files that NumPy wrote.
class NpyFromNumPyTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string path = (std::filesystem::temp_directory_path() / "npy_XXXXXX").string();
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    folder_ = path;
    const std::string command = absl::StrCat(
        "/usr/bin/python3 " SCANSERVE_SOURCE_DIR "/tests/core/base/npy_files.py ", folder_);
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder_); }

  static std::string File(absl::string_view name) {
    return ReadFile(absl::StrCat(folder_, "/", name, ".npy"), 1 << 20).value();
  }
  static std::vector<int64_t> Integers(absl::string_view name) {
    return ParseNpyIntegers(File(name), kMaxEntries).value();
  }
  static std::string Refusal(absl::string_view name) {
    const absl::Status status = ParseNpyIntegers(File(name), kMaxEntries).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  }

  static std::string folder_;
};

std::string NpyFromNumPyTest::folder_;

TEST_F(NpyFromNumPyTest, ReadsIntegersOfEveryWidthAndByteOrder) {
  for (const char* order : {"little", "big"}) {
    for (const char* width : {"1", "2", "4"}) {
      EXPECT_THAT(Integers(absl::StrCat("integers_i", width, "_", order)),
                  ElementsAre(0, 1, -1, 127, -128));
      EXPECT_THAT(Integers(absl::StrCat("integers_u", width, "_", order)),
                  ElementsAre(0, 1, 2, 127, 255));
    }
    EXPECT_THAT(Integers(absl::StrCat("integers_i8_", order)),
                ElementsAre(0, 1, -1, 127, -128, int64_t{1} << 62, -(int64_t{1} << 62)));
    EXPECT_THAT(Integers(absl::StrCat("integers_u8_", order)),
                ElementsAre(0, 1, 2, 127, 255, int64_t{1} << 62, INT64_MAX));
  }
}

TEST_F(NpyFromNumPyTest, ReadsEveryFormatVersion) {
  for (const char* name : {"version_1", "version_2", "version_3"}) {
    EXPECT_THAT(Integers(name), ElementsAre(0, 1, 2, 3, 4, 5, 6));
  }
  EXPECT_THAT(Integers("empty_vector"), IsEmpty());
}

TEST_F(NpyFromNumPyTest, RefusesWhatIsNoVectorOfIntegers) {
  EXPECT_THAT(Refusal("past_int64"), HasSubstr("entry 1 is 9223372036854775808"));
  EXPECT_THAT(Refusal("matrix"), HasSubstr("shape (3, 4), expected 1 dimension"));
  EXPECT_THAT(Refusal("scalar"), HasSubstr("shape (), expected 1 dimension"));
  EXPECT_THAT(Refusal("booleans"), HasSubstr("type |b1, expected integers"));
  EXPECT_THAT(Refusal("halves"), HasSubstr("type <f2, expected integers"));
  EXPECT_THAT(Refusal("structured"), HasSubstr("cannot read the value of 'descr'"));
}

TEST_F(NpyFromNumPyTest, ReadsFloatMatricesOfEitherByteOrder) {
  const FloatMatrix little = ParseNpyFloatMatrix(File("matrix")).value();
  EXPECT_EQ(little.rows, 3);
  EXPECT_EQ(little.columns, 4);
  EXPECT_THAT(little.row(2), ElementsAre(8 / 7.0F, 9 / 7.0F, 10 / 7.0F, 11 / 7.0F));
  EXPECT_EQ(ParseNpyFloatMatrix(File("matrix_big")).value().values, little.values);
  EXPECT_EQ(ParseNpyFloatMatrix(File("matrix_empty")).value().rows, 0);
}

TEST_F(NpyFromNumPyTest, RefusesWhatIsNoFloatMatrix) {
  EXPECT_THAT(ParseNpyFloatMatrix(File("matrix_fortran")).status().message(),
              HasSubstr("Fortran order"));
  EXPECT_THAT(ParseNpyFloatMatrix(File("matrix_double")).status().message(),
              HasSubstr("type <f8, expected float32"));
  EXPECT_THAT(ParseNpyFloatMatrix(File("version_1")).status().message(),
              HasSubstr("expected 2 dimension"));
}

TEST_F(NpyFromNumPyTest, NamesTheFileThatItCannotUse) {
  const std::string path = folder_ + "/matrix_double.npy";
  EXPECT_THAT(ReadNpyFloatMatrix(path, 1 << 20).status().message(), HasSubstr(path));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadNpyFloatMatrix(path, 10).status()));
  EXPECT_TRUE(absl::IsNotFound(ReadNpyFloatMatrix(path + "x", 10).status()));
}

TEST_F(NpyFromNumPyTest, WritesByteForByteWhatNumPyWrites) {
  EXPECT_EQ(FormatNpyIntegers(std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6}), File("version_1"));
  EXPECT_EQ(FormatNpyIntegers(std::vector<int32_t>{0, 1, 2, 3, 4, 5, 6}), File("version_1"));
  EXPECT_EQ(FormatNpyIntegers(std::vector<int64_t>{}), File("empty_vector"));
  for (const char* name : {"matrix", "matrix_wide", "matrix_empty"}) {
    const std::string file = File(name);
    const FloatMatrix matrix = ParseNpyFloatMatrix(file).value();
    EXPECT_EQ(FormatNpyFloatMatrix(matrix.values, matrix.rows, matrix.columns), file) << name;
  }
}

TEST(NpyTest, RefusesEveryTruncation) {
  const std::string whole = FormatNpyIntegers(std::vector<int64_t>{2, 0, 1});
  ASSERT_TRUE(ParseNpyIntegers(whole, kMaxEntries).ok());
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_TRUE(absl::IsInvalidArgument(
        ParseNpyIntegers(absl::string_view(whole).substr(0, size), kMaxEntries).status()))
        << size;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(ParseNpyIntegers(whole + "x", kMaxEntries).status()));
}

TEST(NpyTest, SurvivesEveryByteFlipped) {
  const std::string whole = FormatNpyIntegers(std::vector<int64_t>{2, 0, 1});
  for (size_t i = 0; i < whole.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = whole;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      const auto values = ParseNpyIntegers(flipped, kMaxEntries);
      if (values.ok()) {
        EXPECT_LE(values->size(), 24u);
      }
    }
  }
}

struct Lie {
  const char* what;
  std::string file;
  const char* sentence;
};

TEST(NpyTest, RefusesFilesThatLie) {
  const std::string huge = "9223372036854775807";
  const Lie lies[] = {
      {"no magic", "PK\x03\x04", "not a .npy file"},
      {"format 4.0", std::string("\x93NUMPY\x04\x00\x00\x00", 10), "format 4.0"},
      {"format 1.1", std::string("\x93NUMPY\x01\x01\x00\x00", 10), "format 1.1"},
      {"header past the end", std::string("\x93NUMPY\x01\x00\xff\xff{}", 12), "65535 bytes"},
      {"header of 4 GiB", std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff{}", 14),
       "4294967295 bytes"},
      {"more entries than bytes", Header(Dictionary("<i8", "(99,)")), "says 792 bytes"},
      {"more entries than allowed", Header(Dictionary("<i8", "(101,)")), "the limit is 100"},
      {"as many as an int64", Header(Dictionary("<i8", "(" + huge + ",)")), "the limit is 100"},
      {"past an int64", Header(Dictionary("<i8", "(" + huge + "0,)")), "'shape'"},
      {"negative size", Header(Dictionary("<i8", "(-1,)")), "'shape'"},
      {"no tuple", Header(Dictionary("<i8", "(1)")) + std::string(8, 0), "'shape'"},
      {"size without comma", Header(Dictionary("<i8", "(1 1)")), "'shape'"},
      {"endless shape", Header(Dictionary("<i8", "(1,1,1")), "'shape'"},
      {"type without width", Header(Dictionary("<i", "(0,)")), "type '<i'"},
      {"type of width 0", Header(Dictionary("<i0", "(0,)")), "type '<i0'"},
      {"type of width 3", Header(Dictionary("<i3", "(0,)")), "type <i3"},
      {"no byte order", Header(Dictionary("|i8", "(0,)")), "type '|i8'"},
      {"no dictionary", Header("()"), "expected a dictionary"},
      {"endless dictionary", Header("{'descr': '<i8', "), "does not parse"},
      {"endless string", Header("{'descr"), "does not parse"},
      {"missing shape", Header("{'descr': '<i8', 'fortran_order': False}"), "expected the keys"},
      {"repeated key", Header("{'descr': '<i8', 'descr': '<i4'}"), "'descr'"},
      {"unknown key", Header("{'colour': 'red'}"), "'colour'"},
      {"text behind", Header(Dictionary("<i8", "(0,)") + "x"), "behind the dictionary"},
      {"no boolean", Header("{'fortran_order': 0}"), "'fortran_order'"},
  };
  for (const Lie& lie : lies) {
    const absl::Status status = ParseNpyIntegers(lie.file, kMaxEntries).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << lie.what << ": " << status;
    EXPECT_THAT(status.message(), HasSubstr(lie.sentence)) << lie.what;
  }
}

TEST(NpyTest, RefusesAMatrixThatNoFileCouldHold) {
  const std::string side = "4294967296";
  const std::string shape = absl::StrCat("(", side, ", ", side, ")");
  EXPECT_THAT(ParseNpyFloatMatrix(Header(Dictionary("<f4", shape))).status().message(),
              HasSubstr("larger than any file"));
}

TEST(NpyTest, ReadsTheLongIntegersOfPython2) {
  const std::string file = Header("{\"descr\": \"|u1\", 'fortran_order': False, 'shape': (2L,)}");
  EXPECT_THAT(ParseNpyIntegers(file + "\x01\x02", kMaxEntries).value(), ElementsAre(1, 2));
}

}  // namespace
}  // namespace scanserve::base
