// What a program can be told, one row for each option: its name, its kind, the variable that it
// sets, the values that it accepts, and what it is and costs.
//
//   OptionTable table;
//   table.Group("Engine");
//   table.Integer("max-sequences", engine.state_slots, 1, 65'536, "sequences that run at once");
//
// The name gives the other two: --max-sequences, SCANSERVE_MAX_SEQUENCES in the environment,
// max_sequences in the file. The default is what the variable holds when the row is added. A table
// points to the variables and does not outlive them. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace scanserve::server {

class OptionTable {
 public:
  // How a value is written in the file.
  enum class Kind { kText, kInteger, kNumber, kTruth, kList, kNumbers };

  struct Row {
    std::string group{};
    std::string name;
    Kind kind;
    // The value in words, as in "FOLDER"; empty for flags.
    std::string type_name;
    std::string text;
    std::string default_value{};
    // Makes the variable what is written: one text, any number of them for lists. INVALID_ARGUMENT
    // says what is accepted, and leaves the variable as it was.
    std::function<absl::Status(const std::vector<std::string>&)> set;
    // The variable as it would be written; the parts of lists with commas between them.
    std::function<std::string()> get;
    // Whether the variable's value is one that `set` accepts, in the same words.
    std::function<absl::Status()> check;

    std::string flag() const;
    std::string variable() const;
    std::string key() const;
  };

  // Rows that follow stand under this heading in the help.
  void Group(absl::string_view heading) { group_ = std::string(heading); }

  void Text(absl::string_view name, std::string& value, absl::string_view type_name,
            absl::string_view text);
  // One of `choices`, each written as its first part.
  template <typename Value>
  void Choice(absl::string_view name, Value& value,
              const std::vector<std::pair<std::string, Value>>& choices, absl::string_view text) {
    std::vector<std::string> words;
    for (const auto& choice : choices) words.push_back(choice.first);
    AddChoice(
        name, words, [&value, choices](size_t index) { value = choices[index].second; },
        [&value, choices] {
          size_t index = 0;
          while (index < choices.size() && choices[index].second != value) ++index;
          return index;
        },
        text);
  }
  template <typename Int>
  void Integer(absl::string_view name, Int& value, int64_t low, int64_t high,
               absl::string_view text) {
    static_assert(sizeof(Int) == 8 || sizeof(Int) == 4);
    AddInteger(
        name, low, std::min<int64_t>(high, std::numeric_limits<Int>::max()),
        [&value](int64_t number) { value = static_cast<Int>(number); },
        [&value] { return int64_t{value}; }, text);
  }
  void Number(absl::string_view name, double& value, double low, double high,
              absl::string_view text);
  void Duration(absl::string_view name, absl::Duration& value, absl::Duration low,
                absl::Duration high, absl::string_view text);
  void Flag(absl::string_view name, bool& value, absl::string_view text);
  // May be given several times; each source replaces the whole list.
  void List(absl::string_view name, std::vector<std::string>& value, absl::string_view type_name,
            absl::string_view text);
  // The same of numbers, 1 to 40 ascending ones above 0; one text may hold several, with commas.
  void Bounds(absl::string_view name, std::vector<double>& value, absl::string_view text);
  // The same of NAME=VALUE.
  void Pairs(absl::string_view name, std::vector<std::pair<std::string, std::string>>& value,
             absl::string_view type_name, absl::string_view text);

  const std::vector<Row>& rows() const { return rows_; }
  // Null when there is none.
  const Row* FindVariable(absl::string_view variable) const;
  const Row* FindKey(absl::string_view key) const;

  // All rows for `--help`, within 80 columns: the three names, the default, what it is.
  std::string Help() const;

 private:
  void Add(Row row);
  void AddInteger(absl::string_view name, int64_t low, int64_t high,
                  std::function<void(int64_t)> set, std::function<int64_t()> get,
                  absl::string_view text);
  void AddChoice(absl::string_view name, const std::vector<std::string>& words,
                 std::function<void(size_t)> set, std::function<size_t()> get,
                 absl::string_view text);

  std::string group_;
  std::vector<Row> rows_;
};

}  // namespace scanserve::server
