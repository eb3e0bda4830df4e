// The report of scanctl compare: one HTML page that needs nothing else.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/scanctl/compare_report.h"
#include "client/scanctl/position_profile.h"

namespace scanserve::client {

// One prompt, continued greedily under both arms.
struct PairedContinuation {
  std::string document_id;
  std::string prompt;
  std::string a;
  std::string b;
};

std::string ComparePage(const Comparison& comparison, const std::vector<PositionRange>& ranges,
                        const std::vector<PairedContinuation>& continuations);

// `text` for the inside of an HTML element or attribute; bytes that are not UTF-8 become U+FFFD.
std::string HtmlText(absl::string_view text);

// Bytes at which two texts part: a boundary of characters in both.
size_t CommonPrefix(const std::string& a, const std::string& b);

}  // namespace scanserve::client
