#include "client/scanorder/compute.h"

#include "client/scanorder/tour_output.h"
#include "core/base/npy.h"
#include "core/base/status_macros.h"
#include "core/order/correlation_tour.h"

namespace scanserve::client {

absl::Status Compute(const ComputeOptions& options, std::ostream& figures) {
  SCANSERVE_ASSIGN_OR_RETURN(const base::FloatMatrix states,
                             base::ReadNpyFloatMatrix(options.states, kMaxStatesBytes));
  SCANSERVE_ASSIGN_OR_RETURN(const order::TourReport report, order::CorrelationTour(states));
  SCANSERVE_RETURN_IF_ERROR(WriteOrderFiles(report, options.out));
  figures << (options.json ? TourJson(report) + "\n" : TourText(report));
  return absl::OkStatus();
}

}  // namespace scanserve::client
