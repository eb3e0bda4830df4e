// The flags with which a request names its scan setting and adapter.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/program.h"
#include "scanserve/v1/inference_service.pb.h"
#include "scanserve/v1/scan.pb.h"

namespace scanserve::client {

struct ScanFlags {
  std::string order;
  bool identity = false;
  std::vector<int32_t> target_layers;
  std::string readout;
  std::string adapter;
  bool no_adapter = false;
};

// --target-layers and --readout, which say how an order is applied.
void AddSettingFlags(CLI::App& app, ScanFlags& flags);

// --adapter and --no-adapter.
void AddAdapterFlags(CLI::App& app, ScanFlags& flags);

// All of them.
void AddScanFlags(CLI::App& app, ScanFlags& flags);

// What checked flags ask for: nothing named means what the server assigns.
v1::ScanChoice ScanChoiceOf(const ScanFlags& flags);
v1::ScanSetting ScanSettingOf(const ScanFlags& flags);
v1::AdapterChoice AdapterChoiceOf(const ScanFlags& flags);

// --priority; `usual` is what the server takes when it is not given.
void AddPriorityFlag(CLI::App& app, std::string& priority, absl::string_view usual);
// What the checked flag asks for; unspecified when it was not given.
v1::Priority PriorityOf(const std::string& priority);

// A check for CLI11 that a text names a value of the enum as EnumText writes it.
template <typename Enum>
CLI::Validator NamesEnum() {
  return CLI::Validator(
      [](const std::string& text) {
        const auto value = ParseEnum<Enum>(text);
        return value && static_cast<int>(*value) != 0 ? std::string() : "unknown value " + text;
      },
      "");
}

}  // namespace scanserve::client
