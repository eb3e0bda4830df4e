// scanorder: the batch job that computes scan orders.
#include <iostream>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "client/scanorder/compute_command.h"

int main(int argc, char** argv) {
  CLI::App app("Computes scan orders: permutations in which the selective scan reads a prompt.",
               "scanorder");
  app.require_subcommand(1);
  absl::Status outcome;
  scanserve::client::AddComputeCommand(app, outcome);
  CLI11_PARSE(app, argc, argv);
  if (outcome.ok()) return 0;
  std::cerr << "scanorder: " << outcome.message() << "\n";
  return 1;
}
