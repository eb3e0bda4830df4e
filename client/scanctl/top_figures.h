// What two snapshots of the metrics say of the time between them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/message_json.h"
#include "client/metric_snapshot.h"

namespace scanserve::client {

// Seconds; nothing where nothing was observed.
struct Quantiles {
  std::string name;
  std::optional<double> p50;
  std::optional<double> p90;
  std::optional<double> p99;
  double per_second = 0;
};

// Of one arm of an experiment.
struct ArmFigures {
  std::string arm;
  double requests_per_second = 0;
  double tokens_per_second = 0;
  std::optional<double> first_token_p50;
  std::optional<double> first_token_p99;
  std::optional<double> next_token_p50;
};

struct TopFigures {
  absl::Time time;
  absl::Duration interval;
  std::string model;
  std::string version;

  // The active setting.
  std::string order;
  std::string order_version;
  std::string target_layers;
  std::string readout;

  // Per second.
  double requests = 0;
  double failed = 0;  // that ended with another code than OK or CANCELLED
  double cancelled = 0;
  double rejected = 0;
  double prompt_tokens = 0;
  double generated_tokens = 0;

  // Now.
  double open_requests = 0;
  double queued = 0;
  double queue_capacity = 0;
  double running = 0;
  double slots_used = 0;
  double slots = 0;
  double parked = 0;
  double cache_bytes = 0;
  double cache_max_bytes = 0;
  double memory_bytes = 0;

  // Part of the time that the engine made steps, and tokens in one.
  double load = 0;
  std::optional<double> step_tokens;
  // Part of the tokens that were looked up, which was in the prefix cache.
  std::optional<double> cache_hits;

  // First token, next token, queue, then the whole request of each method that was called.
  std::vector<Quantiles> latencies;
  std::vector<ArmFigures> arms;
};

// `later` is of the same server.
TopFigures FiguresBetween(const MetricSnapshot& earlier, const MetricSnapshot& later);

Json FiguresToJson(const TopFigures& figures);

}  // namespace scanserve::client
