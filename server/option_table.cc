#include "server/option_table.h"

#include <algorithm>
#include <cmath>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace scanserve::server {
namespace {

constexpr size_t kHelpColumns = 80;
constexpr absl::string_view kIndent = "        ";

using Texts = std::vector<std::string>;

// A row whose value is one text, which `parse` reads into the variable.
template <typename Parse>
std::function<absl::Status(const Texts&)> One(Parse parse) {
  return [parse](const Texts& texts) -> absl::Status {
    if (texts.size() != 1) return absl::InvalidArgumentError("is given more than once");
    return parse(texts.front());
  };
}

absl::Status Accept(bool holds, const std::string& accepted) {
  return holds ? absl::OkStatus() : absl::InvalidArgumentError(accepted);
}

absl::Status NoRule() { return absl::OkStatus(); }

void AppendWrapped(absl::string_view text, std::string* out) {
  size_t column = 0;
  for (const absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    if (column == 0 || column + 1 + word.size() > kHelpColumns) {
      absl::StrAppend(out, column == 0 ? "" : "\n", kIndent, word);
      column = kIndent.size() + word.size();
    } else {
      absl::StrAppend(out, " ", word);
      column += 1 + word.size();
    }
  }
  absl::StrAppend(out, "\n");
}

}  // namespace

std::string OptionTable::Row::flag() const { return absl::StrCat("--", name); }

std::string OptionTable::Row::variable() const {
  return absl::StrCat("SCANSERVE_", absl::AsciiStrToUpper(key()));
}

std::string OptionTable::Row::key() const { return absl::StrReplaceAll(name, {{"-", "_"}}); }

void OptionTable::Add(Row row) {
  row.group = group_;
  row.default_value = row.get();
  rows_.push_back(std::move(row));
}

void OptionTable::Text(absl::string_view name, std::string& value, absl::string_view type_name,
                       absl::string_view text) {
  Add({.name = std::string(name),
       .kind = Kind::kText,
       .type_name = std::string(type_name),
       .text = std::string(text),
       .set = One([&value](const std::string& written) {
         value = written;
         return absl::OkStatus();
       }),
       .get = [&value] { return value; },
       .check = NoRule});
}

void OptionTable::AddChoice(absl::string_view name, const std::vector<std::string>& words,
                            std::function<void(size_t)> set, std::function<size_t()> get,
                            absl::string_view text) {
  const std::string accepted = absl::StrCat("must be ", absl::StrJoin(words, " or "));
  Add({.name = std::string(name),
       .kind = Kind::kText,
       .type_name = absl::StrJoin(words, "|"),
       .text = std::string(text),
       .set = One([words, accepted, set = std::move(set)](const std::string& written) {
         const auto found = std::find(words.begin(), words.end(), written);
         if (found == words.end()) return absl::InvalidArgumentError(accepted);
         set(static_cast<size_t>(found - words.begin()));
         return absl::OkStatus();
       }),
       .get = [words, get = std::move(get)] { return words[get()]; },
       .check = NoRule});
}

void OptionTable::AddInteger(absl::string_view name, int64_t low, int64_t high,
                             std::function<void(int64_t)> set, std::function<int64_t()> get,
                             absl::string_view text) {
  const auto check = [low, high](int64_t number) {
    return Accept(number >= low && number <= high, absl::StrCat("must be ", low, " to ", high));
  };
  Add({.name = std::string(name),
       .kind = Kind::kInteger,
       .type_name = "INT",
       .text = std::string(text),
       .set = One([check, set = std::move(set)](const std::string& written) {
         int64_t number = 0;
         if (!absl::SimpleAtoi(written, &number)) {
           return absl::InvalidArgumentError("must be a whole number");
         }
         const absl::Status accepted = check(number);
         if (accepted.ok()) set(number);
         return accepted;
       }),
       .get = [get] { return absl::StrCat(get()); },
       .check = [check, get] { return check(get()); }});
}

void OptionTable::Number(absl::string_view name, double& value, double low, double high,
                         absl::string_view text) {
  const auto check = [low, high](double number) {
    return Accept(number >= low && number <= high, absl::StrCat("must be ", low, " to ", high));
  };
  Add({.name = std::string(name),
       .kind = Kind::kNumber,
       .type_name = "NUMBER",
       .text = std::string(text),
       .set = One([check, &value](const std::string& written) {
         double number = 0;
         if (!absl::SimpleAtod(written, &number)) {
           return absl::InvalidArgumentError("must be a number");
         }
         const absl::Status accepted = check(number);
         if (accepted.ok()) value = number;
         return accepted;
       }),
       .get = [&value] { return absl::StrCat(value); },
       .check = [check, &value] { return check(value); }});
}

void OptionTable::Duration(absl::string_view name, absl::Duration& value, absl::Duration low,
                           absl::Duration high, absl::string_view text) {
  const auto check = [low, high](absl::Duration duration) {
    return Accept(
        duration >= low && duration <= high,
        absl::StrCat("must be ", absl::FormatDuration(low), " to ", absl::FormatDuration(high)));
  };
  Add({.name = std::string(name),
       .kind = Kind::kText,
       .type_name = "DURATION",
       .text = std::string(text),
       .set = One([check, &value](const std::string& written) {
         absl::Duration duration;
         if (!absl::ParseDuration(written, &duration)) {
           return absl::InvalidArgumentError("must be a duration such as 500ms, 30s or 10m");
         }
         const absl::Status accepted = check(duration);
         if (accepted.ok()) value = duration;
         return accepted;
       }),
       .get = [&value] { return absl::FormatDuration(value); },
       .check = [check, &value] { return check(value); }});
}

void OptionTable::Flag(absl::string_view name, bool& value, absl::string_view text) {
  Add({.name = std::string(name),
       .kind = Kind::kTruth,
       .type_name = "",
       .text = std::string(text),
       .set = One([&value](const std::string& written) {
         return Accept(absl::SimpleAtob(written, &value), "must be true or false");
       }),
       .get = [&value] { return value ? "true" : "false"; },
       .check = NoRule});
}

void OptionTable::List(absl::string_view name, std::vector<std::string>& value,
                       absl::string_view type_name, absl::string_view text) {
  Add({.name = std::string(name),
       .kind = Kind::kList,
       .type_name = std::string(type_name),
       .text = std::string(text),
       .set =
           [&value](const Texts& texts) {
             value = texts;
             return absl::OkStatus();
           },
       .get = [&value] { return absl::StrJoin(value, ","); },
       .check = NoRule});
}

void OptionTable::Bounds(absl::string_view name, std::vector<double>& value,
                         absl::string_view text) {
  const auto parse = [](const Texts& texts) -> absl::StatusOr<std::vector<double>> {
    constexpr size_t kMost = 40;
    std::vector<double> bounds;
    const Texts numbers = absl::StrSplit(absl::StrJoin(texts, ","), ',');
    for (const std::string& written : numbers) {
      double bound = 0;
      const bool ascends = absl::SimpleAtod(written, &bound) && std::isfinite(bound) &&
                           bound > (bounds.empty() ? 0 : bounds.back());
      if (!ascends) break;
      bounds.push_back(bound);
    }
    if (bounds.size() == numbers.size() && !bounds.empty() && bounds.size() <= kMost) return bounds;
    return absl::InvalidArgumentError(
        absl::StrCat("must be 1 to ", kMost, " ascending numbers above 0"));
  };
  const auto written = [&value] {
    Texts texts;
    for (const double bound : value) texts.push_back(absl::StrCat(bound));
    return texts;
  };
  Add({.name = std::string(name),
       .kind = Kind::kNumbers,
       .type_name = "NUMBER",
       .text = std::string(text),
       .set =
           [&value, parse](const Texts& texts) {
             const auto bounds = parse(texts);
             if (bounds.ok()) value = *bounds;
             return bounds.status();
           },
       .get = [written] { return absl::StrJoin(written(), ","); },
       .check = [parse, written] { return parse(written()).status(); }});
}

void OptionTable::Pairs(absl::string_view name,
                        std::vector<std::pair<std::string, std::string>>& value,
                        absl::string_view type_name, absl::string_view text) {
  const std::string accepted = absl::StrCat("must be ", type_name);
  Add({.name = std::string(name),
       .kind = Kind::kList,
       .type_name = std::string(type_name),
       .text = std::string(text),
       .set =
           [&value, accepted](const Texts& texts) {
             std::vector<std::pair<std::string, std::string>> pairs;
             for (const std::string& written : texts) {
               if (written.find('=') == std::string::npos) {
                 return absl::InvalidArgumentError(accepted);
               }
               pairs.emplace_back(absl::StrSplit(written, absl::MaxSplits('=', 1)));
             }
             value = std::move(pairs);
             return absl::OkStatus();
           },
       .get = [&value] { return absl::StrJoin(value, ",", absl::PairFormatter("=")); },
       .check = NoRule});
}

const OptionTable::Row* OptionTable::FindVariable(absl::string_view variable) const {
  const auto found = std::find_if(rows_.begin(), rows_.end(),
                                  [&](const Row& row) { return row.variable() == variable; });
  return found == rows_.end() ? nullptr : &*found;
}

const OptionTable::Row* OptionTable::FindKey(absl::string_view key) const {
  const auto found =
      std::find_if(rows_.begin(), rows_.end(), [&](const Row& row) { return row.key() == key; });
  return found == rows_.end() ? nullptr : &*found;
}

std::string OptionTable::Help() const {
  std::string help;
  std::string group;
  for (const Row& row : rows_) {
    if (row.group != group) absl::StrAppend(&help, "\n", row.group, ":\n");
    group = row.group;
    absl::StrAppend(&help, "  ", row.flag(), row.type_name.empty() ? "" : " ", row.type_name);
    // Long ones stand below, where there is room to wrap.
    const bool wrap_default = row.kind == Kind::kNumbers;
    if (!row.default_value.empty() && !wrap_default) {
      absl::StrAppend(&help, " [", row.default_value, "]");
    }
    absl::StrAppend(&help, "\n", kIndent, row.variable(), ", ", row.key(), "\n");
    AppendWrapped(wrap_default
                      ? absl::StrCat(row.text, " [",
                                     absl::StrReplaceAll(row.default_value, {{",", ", "}}), "]")
                      : row.text,
                  &help);
  }
  return help;
}

}  // namespace scanserve::server
