#include "client/scanorder/commands.h"

#include <memory>
#include <sstream>

#include "client/scan_choice.h"
#include "client/scanorder/compute.h"
#include "client/scanorder/run.h"

namespace scanserve::client {

void AddCompute(Program& program) {
  auto options = std::make_shared<ComputeOptions>();
  CLI::App& app =
      *program.app.add_subcommand("compute", "Compute an order from a file of hidden states");
  app.add_option("--states", options->states, "Hidden states, [tokens, width] float32")
      ->type_name("FILE.npy")
      ->required();
  app.add_option("--out", options->out, "For scan_order.npy, scan_order_inv.npy")
      ->type_name("FOLDER")
      ->required();
  app.footer(
      "Asks no server.\n\nExample:\n  scanorder compute --states hidden_states.npy --out order");
  app.callback([options, &program] {
    program.command = [options](Session& session) -> absl::Status {
      options->json = session.json;
      std::ostringstream figures;
      SCANSERVE_RETURN_IF_ERROR(Compute(*options, figures));
      return session.output.Write(figures.str());
    };
  });
}

void AddRun(Program& program) {
  struct Flags {
    RunOptions options;
    std::string adapter;
  };
  auto flags = std::make_shared<Flags>();
  RunOptions& options = flags->options;
  CLI::App& app = *program.app.add_subcommand("run", "Compute an order from a text and upload it");
  app.add_option("--corpus", options.corpus, "Text, one document a line")
      ->type_name("FILE")
      ->required();
  app.add_option("--name", options.name, "Name to upload it under")->type_name("NAME")->required();
  app.add_option("--out", options.out, "For the .npy files; scanorder-NAME")->type_name("FOLDER");
  app.add_flag("--activate", options.activate, "Apply it to requests from then on");
  const CLI::Validator positive = CLI::PositiveNumber.description("");
  app.add_option("--documents", options.rule.max_documents, "Lines to take")
      ->type_name("N")
      ->check(positive)
      ->capture_default_str();
  app.add_option("--min-characters", options.rule.min_characters, "Shorter lines are passed over")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber.description(""))
      ->capture_default_str();
  app.add_option("--max-tokens", options.plan.max_tokens, "Cut each line to these tokens")
      ->type_name("N")
      ->check(positive)
      ->capture_default_str();
  app.add_option("--layer", options.plan.layer, "Whose mixer's input; the last")
      ->type_name("I")
      ->check(CLI::NonNegativeNumber.description(""));
  app.add_option("--adapter", flags->adapter, "Extract with it; the base model")
      ->type_name("NAME[@VERSION]")
      ->check(ParsesWith(&ParseAdapterRef));
  app.footer(
      "Takes the first lines that are long enough, extracts their hidden states under\n"
      "identity, whatever is active, and computes a tour by the reference method.\n\n"
      "Example:\n"
      "  scanorder run --corpus articles.txt --name wiki --activate");
  app.callback([flags, &program] {
    if (!flags->adapter.empty()) flags->options.plan.adapter = *ParseAdapterRef(flags->adapter);
    program.command = [flags](Session& session) { return RunScanOrder(session, flags->options); };
  });
}

}  // namespace scanserve::client
