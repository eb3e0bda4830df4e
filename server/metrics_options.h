// Where the histograms' buckets end.
#pragma once

#include <vector>

namespace scanserve::server {

// Upper bounds, ascending; each costs a series for every combination of labels.
struct MetricsOptions {
  // Seconds.
  std::vector<double> time_to_first_token_buckets = {
      .001, .0025, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80};
  std::vector<double> inter_token_latency_buckets = {.00025, .0005, .001, .0015, .002, .003, .004,
                                                     .006,   .008,  .01,  .015,  .02,  .03,  .05,
                                                     .1,     .25,   .5,   1,     2.5};
  // Of whole requests and of their time in the queue.
  std::vector<double> duration_buckets = {.001, .0025, .005, .01, .025, .05, .1,  .25, .5,
                                          1,    2.5,   5,    10,  30,   60,  120, 300, 600};
  // Tokens.
  std::vector<double> step_token_buckets = {1,   2,   4,   8,    16,   32,   64,
                                            128, 256, 512, 1024, 2048, 4096, 8192};
};

}  // namespace scanserve::server
