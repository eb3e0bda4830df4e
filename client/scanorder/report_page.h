// The report on a computed order: one HTML page that needs nothing else, not even a network.
#pragma once

#include <string>
#include <vector>

#include "client/scanorder/order_evaluation.h"
#include "client/scanorder/tour_figures.h"
#include "client/table.h"
#include "core/order/computed_tour.h"

namespace scanserve::client {

struct Report {
  std::string title;
  const order::ComputedTour& tour;
  TourFigures figures;
  Fields provenance;
  // What the server scored, and on what; empty when it was not asked.
  std::vector<TargetComparison> comparisons;
  std::string scored_documents;
};

// Every text of `report` may hold anything: it is escaped.
std::string ReportPage(const Report& report);

}  // namespace scanserve::client
