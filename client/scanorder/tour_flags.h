// The flags that say how a tour is computed, the same for every command that computes one.
#pragma once

#include <string>
#include <vector>

#include "client/program.h"
#include "core/order/tour_options.h"

namespace scanserve::client {

struct TourFlags {
  std::vector<std::string> methods = {"nearest-neighbour"};
  std::string rows = "512";
  std::string distance = "absolute-correlation";
  bool closed = false;
  std::string time_limit = "10s";
  int64_t iterations = 0;
  int64_t seed = 0;
  int threads = 0;  // 0 is one a processor
};

// Every value is checked while the command line is parsed.
void AddTourFlags(CLI::App& app, TourFlags& flags);

// Of flags that were parsed.
order::TourOptions TourOptionsOf(const TourFlags& flags);

}  // namespace scanserve::client
