#include "server/adapter_table.h"

#include "absl/strings/str_cat.h"
#include "server/log.h"

namespace scanserve::server {

absl::StatusOr<AdapterTable> AdapterTable::Load(
    const std::vector<std::pair<std::string, std::string>>& folders,
    const std::string& default_name, const model::LanguageModel& model,
    const ops::LinearFactory& make_linear) {
  AdapterTable table;
  for (const auto& [name, folder] : folders) {
    auto adapter = model::Adapter::Load(name, folder, model.config, make_linear);
    if (!adapter.ok()) {
      return absl::Status(adapter.status().code(),
                          absl::StrCat("adapter ", name, ": ", adapter.status().message()));
    }
    LogInfo(
        "adapter loaded",
        {{"name", name},
         {"digest", (*adapter)->digest()},
         {"modules", (*adapter)->modules_matched()},
         {"coverage", model::CoverageLine((*adapter)->trainable_parameters(), model.parameters)}});
    if (name == default_name) table.default_ = *adapter;
    table.adapters_[name] = *std::move(adapter);
  }
  return table;
}

absl::StatusOr<AdapterPtr> AdapterTable::Find(const std::string& name, int64_t version,
                                              const std::string& digest) const {
  if (name.empty() && digest.empty()) {
    return absl::InvalidArgumentError("adapter.ref: names neither a name nor a digest");
  }
  for (const auto& [known, adapter] : adapters_) {
    if (!name.empty() && known != name) continue;
    if (name.empty() && adapter->digest() != digest) continue;
    if (!digest.empty() && adapter->digest() != digest) {
      return absl::FailedPreconditionError(absl::StrCat("adapter.ref: ", known, " has digest ",
                                                        adapter->digest(), ", not the one given"));
    }
    if (version != 0 && version != 1) {
      return absl::NotFoundError(
          absl::StrCat("adapter.ref: ", known, " has no version ", version, ", only 1"));
    }
    return adapter;
  }
  return absl::NotFoundError(absl::StrCat("adapter.ref: no adapter \"",
                                          (name.empty() ? digest : name).substr(0, 64), "\""));
}

}  // namespace scanserve::server
