#include "client/scanorder/commands.h"

#include <memory>
#include <sstream>

#include "client/scan_choice.h"
#include "client/scanorder/compute.h"
#include "client/scanorder/run.h"
#include "client/scanorder/tour_flags.h"
#include "client/scanorder/tour_progress.h"

namespace scanserve::client {

void AddCompute(Program& program) {
  struct Flags {
    ComputeOptions options;
    TourFlags tour;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App& app =
      *program.app.add_subcommand("compute", "Compute an order from a file of hidden states");
  app.add_option("--states", flags->options.states, "Hidden states, [tokens, width] float32")
      ->type_name("FILE.npy")
      ->required();
  app.add_option("--out", flags->options.out, "For scan_order.npy, scan_order_inv.npy")
      ->type_name("FOLDER")
      ->required();
  AddTourFlags(app, flags->tour);
  app.add_option("--report", flags->options.report, "Write a page with figures and plots")
      ->type_name("FILE.html");
  app.footer(
      "Asks no server. Several methods are compared, and the shortest tour is kept.\n\n"
      "Example:\n"
      "  scanorder compute --states hidden_states.npy --out order\n"
      "  scanorder compute --states hidden_states.npy --out order --rows all \\\n"
      "    --method or-3opt --time-limit 60s");
  app.callback([flags, &program] {
    program.command = [flags](Session& session) -> absl::Status {
      ComputeOptions& options = flags->options;
      options.json = session.json;
      options.tour = TourOptionsOf(flags->tour);
      ProgressBar bar(session.terminal, "computing", "rows", 0);
      options.tour.on_progress = ShowsProgress(options.tour, bar);
      std::ostringstream figures;
      SCANSERVE_RETURN_IF_ERROR(Compute(options, figures));
      bar.Clear();
      return session.output.Write(figures.str());
    };
  });
}

namespace {

void AddReportFlags(CLI::App& app, RunOptions& options) {
  const CLI::Validator not_negative = CLI::NonNegativeNumber.description("");
  app.add_option("--report", options.report, "Write a page with figures and plots")
      ->type_name("FILE.html");
  app.add_option("--report-documents", options.report_documents,
                 "Lines it scores, after those taken")
      ->type_name("N")
      ->check(not_negative)
      ->capture_default_str();
  app.add_option("--report-prefix", options.report_prefix_tokens,
                 "Tokens read under the order, when it scores what follows")
      ->type_name("N")
      ->check(CLI::PositiveNumber.description(""))
      ->capture_default_str();
}

}  // namespace

void AddRun(Program& program) {
  struct Flags {
    RunOptions options;
    std::string adapter;
    TourFlags tour;
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
  AddTourFlags(app, flags->tour);
  AddReportFlags(app, options);
  app.footer(
      "Takes the first lines that are long enough, extracts their hidden states under\n"
      "identity, whatever is active, and computes a tour: by the reference method, or by\n"
      "others, of which the shortest tour is kept.\n\n"
      "Example:\n"
      "  scanorder run --corpus articles.txt --name wiki --activate\n"
      "  scanorder run --corpus articles.txt --name short --method or-3opt");
  app.callback([flags, &program] {
    if (!flags->adapter.empty()) flags->options.plan.adapter = *ParseAdapterRef(flags->adapter);
    flags->options.tour = TourOptionsOf(flags->tour);
    program.command = [flags](Session& session) { return RunScanOrder(session, flags->options); };
  });
}

}  // namespace scanserve::client
