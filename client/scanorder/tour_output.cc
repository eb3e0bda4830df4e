#include "client/scanorder/tour_output.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/file.h"
#include "core/base/npy.h"
#include "core/base/status_macros.h"
#include "core/order/scan_order.h"
#include "nlohmann/json.hpp"

namespace scanserve::client {

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

std::string TourText(const order::TourReport& report) {
  return absl::StrFormat(
      "hidden states   (%d, %d), %d rows used\n"
      "distances       mean %.6f, standard deviation %.6f\n"
      "natural tour    %.4f\n"
      "optimised tour  %.4f\n"
      "improvement     %.2f %%\n"
      "time            %.3f s\n",
      report.rows, report.columns, report.rows_used, report.mean_distance,
      report.distance_deviation, report.natural_length, report.tour_length,
      report.improvement_percent, absl::ToDoubleSeconds(report.elapsed));
}

std::string TourJson(const order::TourReport& report) {
  return nlohmann::ordered_json({{"shape", {report.rows, report.columns}},
                                 {"rows_used", report.rows_used},
                                 {"mean_distance", report.mean_distance},
                                 {"distance_deviation", report.distance_deviation},
                                 {"natural_length", report.natural_length},
                                 {"tour_length", report.tour_length},
                                 {"improvement_percent", report.improvement_percent},
                                 {"seconds", absl::ToDoubleSeconds(report.elapsed)}})
      .dump();
}

}  // namespace scanserve::client
