#include "client/scanctl/scan_flags.h"

#include "absl/strings/str_cat.h"
#include "client/scan_choice.h"

namespace scanserve::client {

void AddSettingFlags(CLI::App& app, ScanFlags& flags) {
  app.add_option("--target-layers", flags.target_layers, "Layers it applies to; all")
      ->type_name("I,J,..")
      ->delimiter(',')
      ->check(CLI::NonNegativeNumber.description(""));
  app.add_option("--readout", flags.readout, "natural-last or pin-last")
      ->type_name("READOUT")
      ->check(NamesEnum<v1::Readout>());
}

void AddScanFlags(CLI::App& app, ScanFlags& flags) {
  CLI::Option* order = app.add_option("--order", flags.order, "Scan order; else the active one")
                           ->type_name("NAME[@VERSION]")
                           ->check(ParsesWith(&ParseScanOrderRef));
  app.add_flag("--identity", flags.identity, "Natural order, whatever is active")->excludes(order);
  AddSettingFlags(app, flags);
  app.get_option("--target-layers")->needs(order);
  app.get_option("--readout")->needs(order);
  AddAdapterFlags(app, flags);
}

void AddAdapterFlags(CLI::App& app, ScanFlags& flags) {
  CLI::Option* adapter = app.add_option("--adapter", flags.adapter, "Adapter; else the default one")
                             ->type_name("NAME[@VERSION]")
                             ->check(ParsesWith(&ParseAdapterRef));
  app.add_flag("--no-adapter", flags.no_adapter, "The base model alone")->excludes(adapter);
}

v1::ScanSetting ScanSettingOf(const ScanFlags& flags) {
  v1::ScanSetting setting;
  if (!flags.order.empty()) *setting.mutable_order() = *ParseScanOrderRef(flags.order);
  setting.mutable_target_layers()->Add(flags.target_layers.begin(), flags.target_layers.end());
  if (!flags.readout.empty()) setting.set_readout(*ParseEnum<v1::Readout>(flags.readout));
  return setting;
}

v1::ScanChoice ScanChoiceOf(const ScanFlags& flags) {
  v1::ScanChoice choice;
  if (flags.identity) {
    choice.mutable_identity();
  } else if (!flags.order.empty()) {
    *choice.mutable_setting() = ScanSettingOf(flags);
  } else {
    choice.mutable_assigned();
  }
  return choice;
}

v1::AdapterChoice AdapterChoiceOf(const ScanFlags& flags) {
  v1::AdapterChoice choice;
  if (flags.no_adapter) {
    choice.mutable_base();
  } else if (!flags.adapter.empty()) {
    *choice.mutable_ref() = *ParseAdapterRef(flags.adapter);
  } else {
    choice.mutable_assigned();
  }
  return choice;
}

void AddPriorityFlag(CLI::App& app, std::string& priority, absl::string_view usual) {
  app.add_option("--priority", priority,
                 absl::StrCat("normal, or low for background work; ", usual))
      ->type_name("LEVEL")
      ->check(NamesEnum<v1::Priority>());
}

v1::Priority PriorityOf(const std::string& priority) {
  return priority.empty() ? v1::PRIORITY_UNSPECIFIED : *ParseEnum<v1::Priority>(priority);
}

}  // namespace scanserve::client
