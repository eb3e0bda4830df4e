#include "core/base/aligned_buffer.h"

#include <algorithm>
#include <cstdint>

#include "gtest/gtest.h"

namespace scanserve::base {
namespace {

TEST(AlignedBufferTest, IsAlignedAndZeroAtAnySize) {
  for (const size_t size : {1UL, 15UL, 17UL, 1000UL, (1UL << 19) - 1, 1UL << 19, (1UL << 20) + 3}) {
    AlignedBuffer buffer(size);
    ASSERT_EQ(buffer.size(), size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % AlignedBuffer::kAlignment, 0U);
    EXPECT_TRUE(std::all_of(buffer.span().begin(), buffer.span().end(),
                            [](float value) { return value == 0.0F; }));
    buffer[0] = 1;
    buffer[size - 1] = 2;
    EXPECT_EQ(buffer[size - 1], 2.0F);
  }
}

TEST(AlignedBufferTest, SaysWhatMemoryItTakes) {
  constexpr size_t kMebifloats = size_t{1} << 20;
  EXPECT_EQ(AlignedBuffer().held_bytes(), 0U);
  EXPECT_EQ(AlignedBuffer(1).held_bytes(), 64U);
  EXPECT_EQ(AlignedBuffer(17).held_bytes(), 128U);
  // From 2 MiB on in pages of 2 MiB.
  EXPECT_EQ(AlignedBuffer(kMebifloats / 2).held_bytes(), size_t{2} << 20);
  EXPECT_EQ(AlignedBuffer(kMebifloats / 2 + 1).held_bytes(), size_t{4} << 20);
}

TEST(AlignedBufferTest, MovesWithoutCopying) {
  for (const size_t size : {10UL, 1UL << 20}) {
    AlignedBuffer source(size);
    source[3] = 5;
    const float* data = source.data();
    AlignedBuffer target(std::move(source));
    EXPECT_EQ(target.data(), data);
    AlignedBuffer assigned(7);
    assigned = std::move(target);
    EXPECT_EQ(assigned.data(), data);
    EXPECT_EQ(assigned.size(), size);
    EXPECT_EQ(assigned[3], 5.0F);
  }
}

TEST(AlignedBufferTest, IsEmptyByDefault) {
  EXPECT_EQ(AlignedBuffer().size(), 0U);
  EXPECT_EQ(AlignedBuffer(0).data(), nullptr);
}

}  // namespace
}  // namespace scanserve::base
