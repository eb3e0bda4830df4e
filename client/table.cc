#include "client/table.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/terminal.h"
#include "core/base/check.h"

namespace scanserve::client {
namespace {

constexpr absl::string_view kGap = "  ";

std::string Pad(const std::string& cell, int width, Alignment alignment) {
  const std::string spaces(static_cast<size_t>(std::max(0, width - DisplayWidth(cell))), ' ');
  return alignment == Alignment::kRight ? spaces + cell : cell + spaces;
}

}  // namespace

void Table::AddRow(std::vector<std::string> cells) {
  SCANSERVE_CHECK(cells.size() == columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::Layout(int width, bool colour) const {
  std::vector<int> widths;
  for (size_t c = 0; c < columns_.size(); ++c) {
    int widest = DisplayWidth(columns_[c].title);
    for (const auto& row : rows_) widest = std::max(widest, DisplayWidth(row[c]));
    widths.push_back(widest);
  }
  const int gaps = static_cast<int>(kGap.size() * (columns_.size() - 1));
  const int total = std::accumulate(widths.begin(), widths.end(), gaps);
  return total <= width || rows_.empty() ? AsRows(widths, colour) : AsBlocks(colour);
}

std::string Table::AsRows(const std::vector<int>& widths, bool colour) const {
  std::string titles;
  for (size_t c = 0; c < columns_.size(); ++c) {
    absl::StrAppend(&titles, c > 0 ? kGap : "",
                    Pad(columns_[c].title, widths[c], columns_[c].alignment));
  }
  absl::StripTrailingAsciiWhitespace(&titles);
  std::string text = absl::StrCat(Bold(titles, colour), "\n");
  for (const auto& row : rows_) {
    std::string line;
    for (size_t c = 0; c < columns_.size(); ++c) {
      absl::StrAppend(&line, c > 0 ? kGap : "", Pad(row[c], widths[c], columns_[c].alignment));
    }
    absl::StripTrailingAsciiWhitespace(&line);
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

std::string Table::AsBlocks(bool colour) const {
  std::string text;
  for (const auto& row : rows_) {
    Fields fields;
    for (size_t c = 0; c < columns_.size(); ++c) fields.emplace_back(columns_[c].title, row[c]);
    absl::StrAppend(&text, text.empty() ? "" : "\n", LayoutFields(fields, colour));
  }
  return text;
}

std::string LayoutFields(const Fields& fields, bool colour) {
  int widest = 0;
  for (const auto& [name, value] : fields) widest = std::max(widest, DisplayWidth(name));
  std::string text;
  for (const auto& [name, value] : fields) {
    std::string line = absl::StrCat(Bold(Pad(name, widest, Alignment::kLeft), colour), kGap, value);
    absl::StripTrailingAsciiWhitespace(&line);
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

}  // namespace scanserve::client
