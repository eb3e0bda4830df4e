#include "server/document_assembler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace scanserve::server {
namespace {

using testing::HasSubstr;

v1::DocumentPart TextPart(const std::string& id, const std::string& text, bool more = false) {
  v1::DocumentPart part;
  part.set_document_id(id);
  part.mutable_content()->set_text(text);
  part.set_more(more);
  return part;
}

TEST(DocumentAssemblerTest, JoinsPartsAndNumbersDocuments) {
  DocumentAssembler assembler(100);
  ASSERT_FALSE((*assembler.Add(TextPart("a", "one ", true))).has_value());
  EXPECT_TRUE(assembler.incomplete());
  const auto first = *assembler.Add(TextPart("a", "two"));
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->content.text(), "one two");
  EXPECT_EQ(first->index, 0);
  EXPECT_FALSE(assembler.incomplete());
  EXPECT_EQ((*assembler.Add(TextPart("a", "three")))->index, 1);
}

TEST(DocumentAssemblerTest, JoinsTokenIds) {
  DocumentAssembler assembler(100);
  v1::DocumentPart part;
  part.mutable_content()->mutable_token_ids()->add_ids(4);
  part.set_more(true);
  ASSERT_TRUE(assembler.Add(part).ok());
  part.set_more(false);
  EXPECT_EQ((*assembler.Add(part))->content.token_ids().ids_size(), 2);
}

TEST(DocumentAssemblerTest, RefusesPartsThatDoNotFit) {
  const auto message_of_second = [](const v1::DocumentPart& part) {
    DocumentAssembler assembler(10);
    EXPECT_TRUE(assembler.Add(TextPart("a", "12345", true)).ok());
    return std::string(assembler.Add(part).status().message());
  };
  EXPECT_THAT(message_of_second(TextPart("b", "x")), HasSubstr("another document_id"));
  EXPECT_THAT(message_of_second(TextPart("a", "678901")), HasSubstr("11 bytes"));
  v1::DocumentPart grouped = TextPart("a", "x");
  grouped.set_group("g");
  EXPECT_THAT(message_of_second(grouped), HasSubstr("or group"));
  grouped.set_group(std::string(65, 'g'));
  EXPECT_THAT(message_of_second(grouped), HasSubstr("group: 65 bytes"));
  EXPECT_THAT(message_of_second(TextPart(std::string(65, 'a'), "x")), HasSubstr("65 bytes"));
  v1::DocumentPart bytes;
  bytes.set_document_id("a");
  EXPECT_THAT(message_of_second(bytes), HasSubstr("none of text"));
  bytes.mutable_content()->set_text_bytes("x");
  EXPECT_THAT(message_of_second(bytes), HasSubstr("mix"));
}

}  // namespace
}  // namespace scanserve::server
