#include "server/config_file.h"

#include <toml++/toml.h>
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"

namespace scanserve::server {
namespace {

using Kind = OptionTable::Kind;

void Read(const toml::node& node, ConfigEntry* entry) {
  if (const auto* text = node.as_string()) {
    entry->kind = Kind::kText;
    entry->texts = {text->get()};
  } else if (const auto* integer = node.as_integer()) {
    entry->kind = Kind::kInteger;
    entry->texts = {absl::StrCat(integer->get())};
  } else if (const auto* number = node.as_floating_point()) {
    entry->kind = Kind::kNumber;
    entry->texts = {absl::StrCat(number->get())};
  } else if (const auto* truth = node.as_boolean()) {
    entry->kind = Kind::kTruth;
    entry->texts = {truth->get() ? "true" : "false"};
  } else if (const auto* list = node.as_array()) {
    const bool texts = list->empty() || list->is_homogeneous<std::string>();
    for (const toml::node& element : *list) {
      ConfigEntry part;
      Read(element, &part);
      const bool is_number = part.kind == Kind::kInteger || part.kind == Kind::kNumber;
      if (!texts && !is_number) return;
      entry->texts.push_back(std::move(part.texts.front()));
    }
    entry->kind = texts ? Kind::kList : Kind::kNumbers;
  }
}

}  // namespace

absl::StatusOr<std::vector<ConfigEntry>> ReadConfigFile(const std::string& path) {
  SCANSERVE_ASSIGN_OR_RETURN(const std::string content, base::ReadFile(path, kMaxConfigFileBytes));
  toml::table table;
  try {
    table = toml::parse(content);
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ":", error.source().begin.line, ": ",
                     absl::string_view(error.description().data(), error.description().size())));
  }
  std::vector<ConfigEntry> entries;
  for (const auto& [key, node] : table) {
    ConfigEntry entry;
    entry.key = std::string(key.str());
    entry.line = static_cast<int>(key.source().begin.line);
    Read(node, &entry);
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(),
            [](const ConfigEntry& a, const ConfigEntry& b) { return a.line < b.line; });
  return entries;
}

}  // namespace scanserve::server
