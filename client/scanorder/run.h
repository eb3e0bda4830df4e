// `scanorder run`: from a text file to a scan order that the server can apply.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "client/program.h"
#include "client/scanorder/corpus.h"
#include "client/scanorder/corpus_states.h"
#include "core/order/tour_options.h"

namespace scanserve::client {

struct RunOptions {
  std::string corpus;  // text file
  std::string name;    // under which the order is uploaded
  std::string out;     // folder for the .npy files; empty is scanorder-NAME
  CorpusRule rule;
  ExtractionPlan plan;
  order::TourOptions tour;
  bool activate = false;
  // Path of an HTML page to write; empty is none. It scores so many lines after those that the
  // order was computed from, 0 none, under the order and under identity.
  std::string report;
  int64_t report_documents = 20;
  int64_t report_prefix_tokens = 64;  // CONTINUATION's prompt pass
};

// Extracts, computes, writes hidden_states.npy, scan_order.npy and
// scan_order_inv.npy, uploads with provenance, activates if asked, and prints the figures. The
// files stand when the upload fails.
absl::Status RunScanOrder(Session& session, const RunOptions& options);

}  // namespace scanserve::client
