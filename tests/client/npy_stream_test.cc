#include "client/npy_stream.h"

#include <gtest/gtest.h>

#include <cstring>

#include "core/base/npy.h"
#include "tests/client/temporary_folder.h"

namespace scanserve::client {
namespace {

std::string Bytes(const std::vector<float>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

TEST(NpyStreamTest, WritesWhatWritingAtOnceGives) {
  const TemporaryFolder folder;
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  auto stream = NpyStream::Create(folder.File("a.npy"), {3, 2}).value();
  ASSERT_TRUE(stream->Append(Bytes({1, 2})).ok());
  ASSERT_TRUE(stream->Append(Bytes({3, 4, 5, 6})).ok());
  EXPECT_FALSE(folder.Has("a.npy"));
  ASSERT_TRUE(stream->Finish().ok());
  EXPECT_EQ(folder.Read("a.npy"), base::FormatNpyFloatMatrix(values, 3, 2));
}

TEST(NpyStreamTest, WritesHeadersAsNumpyDoes) {
  const std::string one = NpyFloatHeader({7});
  EXPECT_EQ(one.size() % 64, 0);
  EXPECT_NE(one.find("{'descr': '<f4', 'fortran_order': False, 'shape': (7,), }"),
            std::string::npos);
  EXPECT_NE(NpyFloatHeader({2, 3, 4}).find("'shape': (2, 3, 4), }"), std::string::npos);
  EXPECT_EQ(one.back(), '\n');
}

TEST(NpyStreamTest, LeavesNothingBehindWhenTheValuesEndEarly) {
  const TemporaryFolder folder;
  {
    auto stream = NpyStream::Create(folder.File("a.npy"), {2, 2}).value();
    ASSERT_TRUE(stream->Append(Bytes({1, 2})).ok());
    EXPECT_EQ(stream->Finish().code(), absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_FALSE(folder.Has("a.npy"));
  EXPECT_FALSE(folder.Has("a.npy.part"));
}

TEST(NpyStreamTest, NamesAFileThatCannotBeMade) {
  const auto stream = NpyStream::Create("/nonexistent/a.npy", {1});
  EXPECT_EQ(stream.status().message(),
            "cannot create /nonexistent/a.npy.part: No such file or directory");
}

}  // namespace
}  // namespace scanserve::client
