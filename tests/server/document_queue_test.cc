#include "server/document_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace scanserve::server {
namespace {

v1::DocumentPart Part(const std::string& text, bool more = false) {
  v1::DocumentPart part;
  part.mutable_content()->set_text(text);
  part.set_more(more);
  return part;
}

TEST(DocumentQueueTest, HandsWholeDocumentsOutInTheirOrder) {
  DocumentQueue queue(1 << 20);
  ASSERT_TRUE(queue.Add(Part("a", true)).ok());
  EXPECT_TRUE(queue.empty());
  ASSERT_TRUE(queue.Add(Part("b")).ok());
  ASSERT_TRUE(queue.Add(Part("c")).ok());
  EXPECT_EQ(queue.next_index(), 0);
  EXPECT_EQ(queue.Pop().content.text(), "ab");
  EXPECT_EQ(queue.Pop().content.text(), "c");
  EXPECT_FALSE(queue.exhausted());
  EXPECT_TRUE(queue.End().ok());
  EXPECT_TRUE(queue.exhausted());
}

TEST(DocumentQueueTest, TakesNoMoreWhileManyDocumentsOrBytesWait) {
  DocumentQueue many(1 << 20);
  while (many.WantsPart()) ASSERT_TRUE(many.Add(Part("x")).ok());
  EXPECT_EQ(many.Drop(), 64);
  DocumentQueue large(1 << 20);
  ASSERT_TRUE(large.Add(Part(std::string(600'000, 'x'))).ok());
  EXPECT_TRUE(large.WantsPart());
  ASSERT_TRUE(large.Add(Part(std::string(600'000, 'x'))).ok());
  EXPECT_FALSE(large.WantsPart());
  large.Pop();
  EXPECT_TRUE(large.WantsPart());
}

TEST(DocumentQueueTest, DropCountsADocumentWhoseLastPartIsMissing) {
  DocumentQueue queue(1 << 20);
  ASSERT_TRUE(queue.Add(Part("a")).ok());
  ASSERT_TRUE(queue.Add(Part("b", true)).ok());
  EXPECT_EQ(queue.Drop(), 2);
  EXPECT_TRUE(queue.exhausted());
  EXPECT_FALSE(queue.WantsPart());
}

TEST(DocumentQueueTest, IgnoresWhatWasOnItsWayWhenItWasDropped) {
  DocumentQueue queue(1 << 20);
  ASSERT_TRUE(queue.Add(Part("a", true)).ok());
  queue.Drop();
  EXPECT_TRUE(queue.Add(Part("b")).ok());
  EXPECT_TRUE(queue.exhausted());
  EXPECT_TRUE(queue.End().ok());
}

TEST(DocumentQueueTest, EndMissesTheLastPartOfADocument) {
  DocumentQueue queue(1 << 20);
  ASSERT_TRUE(queue.Add(Part("a", true)).ok());
  EXPECT_EQ(queue.End(), absl::InvalidArgumentError("document 0: its last part did not come"));
}

}  // namespace
}  // namespace scanserve::server
