#include "core/runtime/request_stream.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/core/runtime/signal.h"

namespace scanserve::runtime {
namespace {

Event Numbered(int32_t number) { return Delta{0, "", {number}, {}}; }

int32_t NumberOf(const Event& event) { return std::get<Delta>(event).tokens[0]; }

TEST(RequestStreamTest, GivesEventsInTheirOrderAndThenNothing) {
  RequestStream stream(10, [] {});
  EXPECT_FALSE(stream.Next().has_value());
  for (int32_t i = 0; i < 3; ++i) stream.Push(Numbered(i));
  EXPECT_EQ(NumberOf(*stream.Next()), 0);
  EXPECT_EQ(NumberOf(stream.Wait()), 1);
  EXPECT_EQ(NumberOf(*stream.Next()), 2);
  EXPECT_FALSE(stream.Next().has_value());
}

TEST(RequestStreamTest, WakesTheEngineExactlyWhenRoomAppears) {
  int wakes = 0;
  RequestStream stream(2, [&] { ++wakes; });
  EXPECT_TRUE(stream.HasRoom());
  stream.Push(Numbered(0));
  EXPECT_TRUE(stream.HasRoom());
  stream.Push(Numbered(1));
  EXPECT_FALSE(stream.HasRoom());
  // The events that end a request come on top.
  stream.Push(Numbered(2));
  ASSERT_TRUE(stream.Next().has_value());
  EXPECT_FALSE(stream.HasRoom());
  EXPECT_EQ(wakes, 0);
  ASSERT_TRUE(stream.Next().has_value());
  EXPECT_TRUE(stream.HasRoom());
  EXPECT_EQ(wakes, 1);
  ASSERT_TRUE(stream.Next().has_value());
  EXPECT_EQ(wakes, 1);
}

TEST(RequestStreamTest, NotifiesAtOnceWhenAnEventWaits) {
  RequestStream stream(2, [] {});
  stream.Push(Numbered(0));
  int calls = 0;
  stream.NotifyWhenReady([&] { ++calls; });
  EXPECT_EQ(calls, 1);
  stream.Push(Numbered(1));
  EXPECT_EQ(calls, 1);
}

TEST(RequestStreamTest, NotifiesOnceAtTheNextEventAndOnlyTheLastWhoAsked) {
  RequestStream stream(5, [] {});
  int replaced = 0, calls = 0;
  stream.NotifyWhenReady([&] { ++replaced; });
  stream.NotifyWhenReady([&] { ++calls; });
  EXPECT_EQ(calls, 0);
  stream.Push(Numbered(0));
  stream.Push(Numbered(1));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(replaced, 0);
}

TEST(RequestStreamTest, ANotifiedReaderMayCallTheStream) {
  RequestStream stream(5, [] {});
  std::vector<int32_t> read;
  std::function<void()> ready = [&] {
    while (auto event = stream.Next()) read.push_back(NumberOf(*event));
    stream.NotifyWhenReady(ready);
  };
  stream.NotifyWhenReady(ready);
  for (int32_t i = 0; i < 4; ++i) stream.Push(Numbered(i));
  EXPECT_EQ(read, (std::vector<int32_t>{0, 1, 2, 3}));
}

TEST(RequestStreamTest, CancelWakesTheEngineOnceAndLeavesEventsToTake) {
  int wakes = 0;
  RequestStream stream(5, [&] { ++wakes; });
  stream.Push(Numbered(0));
  EXPECT_FALSE(stream.cancelled());
  stream.Cancel();
  stream.Cancel();
  EXPECT_TRUE(stream.cancelled());
  EXPECT_EQ(wakes, 1);
  stream.Push(Ended{absl::CancelledError("gone"), {}, {}});
  EXPECT_EQ(NumberOf(*stream.Next()), 0);
  EXPECT_TRUE(absl::IsCancelled(std::get<Ended>(*stream.Next()).status));
}

constexpr int32_t kHammered = 20'000;

// What the engine does: looks for room, and sleeps without it until it is woken.
void PushAll(RequestStream& stream, Signal& room) {
  for (int32_t i = 0; i < kHammered; ++i) {
    while (!stream.HasRoom()) room.Await();
    stream.Push(Numbered(i));
  }
}

TEST(RequestStreamTest, LosesNothingBetweenAnEngineAndAWaitingReader) {
  Signal room;
  RequestStream stream(3, [&] { room.Raise(); });
  std::thread engine([&] { PushAll(stream, room); });
  for (int32_t i = 0; i < kHammered; ++i) ASSERT_EQ(NumberOf(stream.Wait()), i);
  engine.join();
  EXPECT_FALSE(stream.Next().has_value());
}

TEST(RequestStreamTest, LosesNothingBetweenAnEngineAndANotifiedReader) {
  Signal room, ready;
  RequestStream stream(3, [&] { room.Raise(); });
  std::thread engine([&] { PushAll(stream, room); });
  for (int32_t i = 0; i < kHammered;) {
    stream.NotifyWhenReady([&] { ready.Raise(); });
    ready.Await();
    while (auto event = stream.Next()) ASSERT_EQ(NumberOf(*event), i++);
  }
  engine.join();
}

}  // namespace
}  // namespace scanserve::runtime
