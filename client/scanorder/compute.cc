#include "client/scanorder/compute.h"

#include "absl/strings/str_cat.h"
#include "client/scanorder/report_page.h"
#include "client/scanorder/tour_output.h"
#include "core/base/file.h"
#include "core/base/npy.h"
#include "core/base/status_macros.h"
#include "core/order/computed_tour.h"

namespace scanserve::client {

namespace {

absl::Status WriteReport(const ComputeOptions& options, const base::FloatMatrix& states,
                         const order::ComputedTour& tour) {
  return base::WriteFileDurably(
      options.report, ReportPage({.title = absl::StrCat("Scan order of ", options.states),
                                  .tour = tour,
                                  .figures = DrawTour(states, options.tour, tour.report.order),
                                  .provenance = TourFields(tour, options.tour),
                                  .comparisons = {},
                                  .scored_documents = ""}));
}

}  // namespace

absl::Status Compute(const ComputeOptions& options, std::ostream& figures) {
  SCANSERVE_ASSIGN_OR_RETURN(const base::FloatMatrix states,
                             base::ReadNpyFloatMatrix(options.states, kMaxStatesBytes));
  SCANSERVE_ASSIGN_OR_RETURN(const order::ComputedTour tour,
                             order::ComputeTour(states, options.tour));
  SCANSERVE_RETURN_IF_ERROR(WriteOrderFiles(tour.report, options.out));
  if (!options.report.empty()) SCANSERVE_RETURN_IF_ERROR(WriteReport(options, states, tour));
  figures << (options.json ? TourJson(tour) + "\n" : TourText(tour));
  return absl::OkStatus();
}

}  // namespace scanserve::client
