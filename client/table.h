// Tables and lists of fields for a terminal of any width.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace scanserve::client {

enum class Alignment { kLeft, kRight };

struct Column {
  std::string title;
  Alignment alignment = Alignment::kLeft;
};

// Rows in aligned columns under bold titles. Where that is wider than the terminal, each row
// becomes a block of "title  value" lines instead: nothing is cut off.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // One cell for each column.
  void AddRow(std::vector<std::string> cells);
  // Ends with a line break. A table without rows has titles only.
  std::string Layout(int width, bool colour) const;

 private:
  std::string AsRows(const std::vector<int>& widths, bool colour) const;
  std::string AsBlocks(bool colour) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// "name  value" lines with the values aligned; names in bold.
using Fields = std::vector<std::pair<std::string, std::string>>;
std::string LayoutFields(const Fields& fields, bool colour);

}  // namespace scanserve::client
