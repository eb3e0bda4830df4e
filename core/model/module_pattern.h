// Regular expressions for the full names of modules, as adapter_config.json holds them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace re2 {
class RE2;
}

namespace scanserve::model {

// Immutable and thread-safe; copies share what was compiled.
class ModulePattern {
 public:
  // What of a name the expression stands for.
  enum class Part {
    kWhole,
    kEnd,  // from a dot on, or the whole
  };

  // As the file writes it.
  const std::string& text() const { return text_; }
  // Takes at most time in proportion to the expression's instructions and the name's length.
  bool Matches(const std::string& module) const;

 private:
  friend class PatternCompiler;
  ModulePattern(std::string text, std::shared_ptr<const re2::RE2> expression)
      : text_(std::move(text)), expression_(std::move(expression)) {}

  std::string text_;
  std::shared_ptr<const re2::RE2> expression_;
};

// Compiles the patterns of one config, within limits for all of them: they come from clients, and
// a short expression may stand for a large program.
class PatternCompiler {
 public:
  static constexpr int64_t kMaxBytes = int64_t{64} << 10;
  // Of RE2's programs: a literal takes one for each character, "." some ten.
  static constexpr int64_t kMaxInstructions = int64_t{128} << 10;
  // RE2's memory for one pattern.
  static constexpr int64_t kMaxPatternMemory = int64_t{128} << 10;

  // INVALID_ARGUMENT names `field`, the pattern and, where it passes one, the limit.
  absl::StatusOr<ModulePattern> Compile(const char* field, const std::string& text,
                                        ModulePattern::Part part);

 private:
  int64_t bytes_ = 0;
  int64_t instructions_ = 0;
};

}  // namespace scanserve::model
