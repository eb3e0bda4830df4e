#include "client/scanctl/leak_report.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/number_text.h"
#include "client/scan_choice.h"
#include "client/table.h"

namespace scanserve::client {
namespace {

std::string ChangedText(int64_t changed, int64_t rows) {
  return rows == 0 ? "-" : absl::StrCat(WithThousands(changed), " of ", WithThousands(rows));
}

int64_t Rows(const v1::ClassCheck& check) { return check.unread_rows() + check.read_rows(); }

}  // namespace

std::string LeakReport(const v1::CheckScanSettingResponse& response, int columns, bool colour) {
  const int64_t targets = response.length() - 1;
  Table table({{"class"},
               {"targets", Alignment::kRight},
               {"share", Alignment::kRight},
               {"changed unread", Alignment::kRight},
               {"changed read", Alignment::kRight}});
  const auto add = [&](const char* name, const v1::ClassCheck& check) {
    const double share = 100 * static_cast<double>(check.targets()) / static_cast<double>(targets);
    table.AddRow({name, WithThousands(check.targets()), absl::StrFormat("%.1f %%", share),
                  ChangedText(check.unread_rows_changed(), check.unread_rows()),
                  ChangedText(check.read_rows_changed(), check.read_rows())});
  };
  add("causal", response.causal());
  add("lookahead", response.lookahead());
  add("leaked", response.leaked());

  const v1::InForce& in_force = response.in_force();
  Fields fields = {
      {"setting", ScanSettingText(in_force.scan())},
      {"digest", ShortDigest(in_force.scan().order().digest())},
      {"adapter", AdapterText(in_force)},
      {"model", absl::StrCat(in_force.model(), ", ", ShortDigest(in_force.model_digest()), ", ",
                             in_force.numerics_id())},
      {"length", absl::StrCat(WithThousands(response.length()), " tokens")}};
  if (response.trials() > 0) {
    const int64_t rows =
        Rows(response.causal()) + Rows(response.lookahead()) + Rows(response.leaked());
    fields.emplace_back("computed",
                        absl::StrCat(WithThousands(response.trials()), " trials, ",
                                     WithThousands(response.model_tokens()), " tokens, ",
                                     WithThousands(rows), " rows compared to the bit"));
  }
  return absl::StrCat(LayoutFields(fields, colour), "\n", table.Layout(columns, colour), "\n",
                      LeakVerdictText(response), ".\n");
}

std::string LeakVerdictText(const v1::CheckScanSettingResponse& response) {
  const v1::LeakContradiction& found = response.contradiction();
  switch (response.verdict()) {
    case v1::LEAK_VERDICT_COUNTED:
      return "Counted: the classes follow from the order, nothing was computed";
    case v1::LEAK_VERDICT_CONFIRMED:
      return "Confirmed: no position changed that had read none of the tokens replaced";
    case v1::LEAK_VERDICT_CONTRADICTED:
      return absl::StrCat("Contradicted: position ", found.position(), " changed when tokens ",
                          found.replaced_begin(), " to ", found.replaced_end() - 1,
                          " were replaced");
    case v1::LEAK_VERDICT_INCONCLUSIVE:
      return "Inconclusive: no leak was seen; try more trials or another seed";
    default:
      return "The server gives a verdict that this program does not know";
  }
}

}  // namespace scanserve::client
