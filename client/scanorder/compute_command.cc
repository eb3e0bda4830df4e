#include "client/scanorder/compute_command.h"

#include <iostream>
#include <memory>

#include "client/scanorder/compute.h"

namespace scanserve::client {

void AddComputeCommand(CLI::App& app, absl::Status& outcome) {
  const auto options = std::make_shared<ComputeOptions>();
  CLI::App* command =
      app.add_subcommand("compute", "Compute a scan order from a file of hidden states");
  command->add_option("--states", options->states, "Hidden states, .npy of [tokens, width] float32")
      ->required();
  command->add_option("--out", options->out, "Folder for scan_order.npy and scan_order_inv.npy")
      ->required();
  command->add_flag("--json", options->json, "Print the figures as one JSON object");
  command->footer("Example:\n  scanorder compute --states hidden_states.npy --out order");
  command->callback([options, &outcome] { outcome = Compute(*options, std::cout); });
}

}  // namespace scanserve::client
