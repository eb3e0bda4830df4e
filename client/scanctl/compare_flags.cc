#include "client/scanctl/compare_flags.h"

#include "client/scan_choice.h"
#include "client/scanctl/scan_flags.h"

namespace scanserve::client {
namespace {

constexpr char kIdentity[] = "identity";
constexpr char kNoAdapter[] = "none";

void AddArmFlags(CLI::App& app, const std::string& arm, ArmFlags& flags) {
  app.add_option("--" + arm, flags.order, "Scan order of " + arm + ", or identity")
      ->type_name("NAME[@VERSION]")
      ->check(ParsesWith(&ParseScanOrderRef))
      ->capture_default_str();
  app.add_option("--adapter-" + arm, flags.adapter, "Or none; else the default one")
      ->type_name("NAME[@VERSION]")
      ->check(ParsesWith(&ParseAdapterRef));
  app.add_option("--readout-" + arm, flags.readout, "natural-last or pin-last")
      ->type_name("READOUT")
      ->check(NamesEnum<v1::Readout>());
  app.add_option("--target-layers-" + arm, flags.target_layers, "Layers it applies to; all")
      ->type_name("I,J,..")
      ->delimiter(',')
      ->check(CLI::NonNegativeNumber.description(""));
}

void AddScoringFlags(CLI::App& app, CompareFlags& flags) {
  app.add_option("--mode", flags.mode, "Or full-window, sliding")
      ->type_name("MODE")
      ->check(NamesEnum<v1::PerplexityMode>())
      ->capture_default_str();
  app.add_option("--prefix", flags.prefix, "Prompt pass of continuation")
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--window", flags.window, "Tokens of a window")->type_name("N");
  app.add_option("--stride", flags.stride, "Between sliding windows")->type_name("N");
}

void AddStatisticsFlags(CLI::App& app, CompareFlags& flags) {
  app.add_option("--margin", flags.margin, "What matters, nats per token")
      ->type_name("X")
      ->capture_default_str();
  app.add_option("--alpha", flags.alpha, "Chance of any false claim")
      ->type_name("X")
      ->capture_default_str();
  app.add_option("--plan", flags.plan, "Or open-ended")
      ->type_name("PLAN")
      ->check(NamesEnum<v1::ComparePlan>())
      ->capture_default_str();
  app.add_option("--seed", flags.seed, "Of the documents' random order")
      ->type_name("N")
      ->capture_default_str();
  app.add_flag("--keep-going", flags.keep_going, "Compare all, past a verdict");
}

v1::CompareArm ArmOf(const ArmFlags& flags) {
  v1::CompareArm arm;
  if (flags.order == kIdentity) {
    arm.mutable_scan()->mutable_identity();
  } else {
    v1::ScanSetting& setting = *arm.mutable_scan()->mutable_setting();
    *setting.mutable_order() = *ParseScanOrderRef(flags.order);
    setting.mutable_target_layers()->Add(flags.target_layers.begin(), flags.target_layers.end());
    if (!flags.readout.empty()) setting.set_readout(*ParseEnum<v1::Readout>(flags.readout));
  }
  if (flags.adapter == kNoAdapter) {
    arm.mutable_adapter()->mutable_base();
  } else if (!flags.adapter.empty()) {
    *arm.mutable_adapter()->mutable_ref() = *ParseAdapterRef(flags.adapter);
  } else {
    arm.mutable_adapter()->mutable_assigned();
  }
  return arm;
}

}  // namespace

void AddCompareFlags(CLI::App& app, CompareFlags& flags) {
  app.add_option("--corpus", flags.corpus, "Text file; - is standard input")
      ->type_name("FILE")
      ->required();
  AddArmFlags(app, "a", flags.a);
  AddArmFlags(app, "b", flags.b);
  app.add_option("--documents", flags.documents, "Cut at: blank-line, line, file")
      ->type_name("SPLIT")
      ->check(CLI::IsMember({"blank-line", "line", "file"}).description(""))
      ->capture_default_str();
  AddScoringFlags(app, flags);
  AddStatisticsFlags(app, flags);
  app.add_option("--expect", flags.expect, "Fail unless B is: better, not-worse, equivalent")
      ->type_name("CLAIM")
      ->check(CLI::IsMember({"better", "not-worse", "equivalent"}).description(""));
  app.add_option("--report", flags.report, "Write a page with plots")->type_name("FILE");
  app.add_flag("--replace-invalid", flags.replace_invalid, "Take U+FFFD for what is not UTF-8");
}

v1::CompareSettings CompareSettingsOf(const CompareFlags& flags) {
  v1::CompareSettings settings;
  *settings.mutable_a() = ArmOf(flags.a);
  *settings.mutable_b() = ArmOf(flags.b);
  settings.set_mode(*ParseEnum<v1::PerplexityMode>(flags.mode));
  if (settings.mode() == v1::PERPLEXITY_MODE_CONTINUATION) settings.set_prefix_tokens(flags.prefix);
  settings.set_window_tokens(flags.window);
  settings.set_stride_tokens(flags.stride);
  settings.set_margin(flags.margin);
  settings.set_alpha(flags.alpha);
  settings.set_plan(*ParseEnum<v1::ComparePlan>(flags.plan));
  settings.set_seed(flags.seed);
  settings.set_stop_early(!flags.keep_going);
  settings.set_per_token(!flags.report.empty());
  return settings;
}

}  // namespace scanserve::client
