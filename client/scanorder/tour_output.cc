#include "client/scanorder/tour_output.h"

#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/number_text.h"
#include "client/terminal.h"
#include "core/base/file.h"
#include "core/base/npy.h"
#include "core/base/status_macros.h"
#include "core/order/scan_order.h"
#include "nlohmann/json.hpp"

namespace scanserve::client {
namespace {

std::string MethodTable(const std::vector<order::MethodTour>& methods) {
  Table table({{"method"},
               {"tour length", Alignment::kRight},
               {"improvement", Alignment::kRight},
               {"time", Alignment::kRight},
               {"iterations", Alignment::kRight}});
  for (const order::MethodTour& method : methods) {
    table.AddRow({std::string(order::TourMethodName(method.method)),
                  absl::StrFormat("%.4f", method.length),
                  absl::StrFormat("%.2f %%", method.improvement_percent),
                  absl::StrFormat("%.3f s", absl::ToDoubleSeconds(method.elapsed)),
                  method.iterations > 0 ? WithThousands(method.iterations) : "-"});
  }
  return table.Layout(Terminal::kUnlimited, /*colour=*/false);
}

}  // namespace

absl::Status WriteOrderFiles(const order::TourReport& report, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return absl::UnavailableError(absl::StrCat("making folder ", folder, ": ", error.message()));
  }
  SCANSERVE_RETURN_IF_ERROR(base::WriteFileDurably(absl::StrCat(folder, "/scan_order.npy"),
                                                   base::FormatNpyIntegers(report.order)));
  return base::WriteFileDurably(absl::StrCat(folder, "/scan_order_inv.npy"),
                                base::FormatNpyIntegers(order::Inverse(report.order)));
}

std::string TourText(const order::ComputedTour& tour) {
  const order::TourReport& report = tour.report;
  const std::string figures = absl::StrFormat(
      "hidden states   (%d, %d), %d rows used\n"
      "distances       mean %.6f, standard deviation %.6f\n"
      "natural tour    %.4f\n"
      "optimised tour  %.4f\n"
      "improvement     %.2f %%\n"
      "time            %.3f s\n"
      "method          %s\n",
      report.rows, report.columns, report.rows_used, report.mean_distance,
      report.distance_deviation, report.natural_length, report.tour_length,
      report.improvement_percent, absl::ToDoubleSeconds(report.elapsed),
      order::TourMethodName(tour.method));
  return tour.methods.size() > 1 ? absl::StrCat(figures, "\n", MethodTable(tour.methods)) : figures;
}

std::string TourJson(const order::ComputedTour& tour) {
  const order::TourReport& report = tour.report;
  nlohmann::ordered_json methods = nlohmann::ordered_json::array();
  for (const order::MethodTour& method : tour.methods) {
    methods.push_back({{"method", order::TourMethodName(method.method)},
                       {"tour_length", method.length},
                       {"improvement_percent", method.improvement_percent},
                       {"seconds", absl::ToDoubleSeconds(method.elapsed)},
                       {"iterations", method.iterations}});
  }
  return nlohmann::ordered_json({{"shape", {report.rows, report.columns}},
                                 {"rows_used", report.rows_used},
                                 {"mean_distance", report.mean_distance},
                                 {"distance_deviation", report.distance_deviation},
                                 {"natural_length", report.natural_length},
                                 {"tour_length", report.tour_length},
                                 {"improvement_percent", report.improvement_percent},
                                 {"seconds", absl::ToDoubleSeconds(report.elapsed)},
                                 {"method", order::TourMethodName(tour.method)},
                                 {"methods", methods}})
      .dump();
}

Fields TourFields(const order::ComputedTour& tour, const order::TourOptions& options) {
  const order::TourReport& report = tour.report;
  return {{"rows", absl::StrCat(WithThousands(report.rows_used), " of ", WithThousands(report.rows),
                                ", ", report.columns, " values each")},
          {"method", std::string(order::TourMethodName(tour.method))},
          {"seed, threads", absl::StrCat(options.seed, ", ", options.threads)},
          {"distance", std::string(order::RowMetricName(options.metric))},
          {"path", options.closed ? "closed" : "open, from the first row"},
          {"distances", absl::StrFormat("mean %.6f, standard deviation %.6f", report.mean_distance,
                                        report.distance_deviation)},
          {"program", absl::StrCat("scanorder ", SCANSERVE_VERSION)}};
}

}  // namespace scanserve::client
