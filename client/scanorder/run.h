// `scanorder run`: from a text file to a scan order that the server can apply.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "client/program.h"
#include "client/scanorder/corpus.h"
#include "client/scanorder/corpus_states.h"

namespace scanserve::client {

struct RunOptions {
  std::string corpus;  // text file
  std::string name;    // under which the order is uploaded
  std::string out;     // folder for the .npy files; empty is scanorder-NAME
  CorpusRule rule;
  ExtractionPlan plan;
  bool activate = false;
};

// Extracts, computes by the reference method, writes hidden_states.npy, scan_order.npy and
// scan_order_inv.npy, uploads with provenance, activates if asked, and prints the figures. The
// files stand when the upload fails.
absl::Status RunScanOrder(Session& session, const RunOptions& options);

}  // namespace scanserve::client
