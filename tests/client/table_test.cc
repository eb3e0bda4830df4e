#include "client/table.h"

#include <gtest/gtest.h>

#include "client/terminal.h"

namespace scanserve::client {
namespace {

Table Orders() {
  Table table({{"order"}, {"positions", Alignment::kRight}, {"active"}});
  table.AddRow({"identity", "any", "yes"});
  table.AddRow({"wiki@1", "1,024", ""});
  return table;
}

TEST(TableTest, AlignsItsColumnsAndLeavesNoSpacesAtTheEnd) {
  EXPECT_EQ(Orders().Layout(80, false),
            "order     positions  active\n"
            "identity        any  yes\n"
            "wiki@1        1,024\n");
}

TEST(TableTest, BecomesBlocksWhereItDoesNotFit) {
  EXPECT_EQ(Orders().Layout(27, false), Orders().Layout(80, false));
  EXPECT_EQ(Orders().Layout(26, false),
            "order      identity\n"
            "positions  any\n"
            "active     yes\n"
            "\n"
            "order      wiki@1\n"
            "positions  1,024\n"
            "active\n");
}

TEST(TableTest, AlignsByWhatIsSeen) {
  Table table({{"piece"}, {"id"}});
  table.AddRow({"\xE6\xBC\xA2\xE5\xAD\x97", "1"});
  table.AddRow({"ab", "2"});
  EXPECT_EQ(table.Layout(80, false),
            "piece  id\n"
            "\xE6\xBC\xA2\xE5\xAD\x97   1\n"
            "ab     2\n");
}

TEST(TableTest, ColoursTitlesOnlyWhereAsked) {
  EXPECT_EQ(Orders().Layout(80, false).find('\x1B'), std::string::npos);
  EXPECT_EQ(Orders().Layout(80, true).substr(0, 4), "\x1B[1m");
}

TEST(TableTest, AlignsTheValuesOfFields) {
  EXPECT_EQ(LayoutFields({{"order", "wiki"}, {"adapter", ""}}, false), "order    wiki\nadapter\n");
}

}  // namespace
}  // namespace scanserve::client
