#include "core/model/module_pattern.h"

#include <re2/re2.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/model/json_field.h"

namespace scanserve::model {
namespace {

absl::Status Fault(const char* field, const std::string& pattern, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("field ", field, ": ", ShortJson(pattern), what));
}

RE2::Options Options() {
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(PatternCompiler::kMaxPatternMemory);
  return options;
}

absl::Status CheckCompiled(const char* field, const std::string& pattern, const RE2& compiled) {
  if (compiled.ok()) return absl::OkStatus();
  if (compiled.error_code() == RE2::ErrorPatternTooLarge) {
    return Fault(field, pattern,
                 absl::StrCat(" needs more than the ", PatternCompiler::kMaxPatternMemory,
                              " bytes of memory that a pattern may take"));
  }
  return Fault(field, pattern, absl::StrCat(" is not a regular expression: ", compiled.error()));
}

}  // namespace

bool ModulePattern::Matches(const std::string& module) const {
  return RE2::FullMatch(module, *expression_);
}

absl::StatusOr<ModulePattern> PatternCompiler::Compile(const char* field, const std::string& text,
                                                       ModulePattern::Part part) {
  bytes_ += static_cast<int64_t>(text.size());
  if (bytes_ > kMaxBytes) {
    return Fault(field, text,
                 absl::StrCat(": the regular expressions up to it have ", bytes_,
                              " bytes, expected up to ", kMaxBytes));
  }
  auto expression = std::make_shared<const RE2>(text, Options());
  SCANSERVE_RETURN_IF_ERROR(CheckCompiled(field, text, *expression));
  if (part == ModulePattern::Part::kEnd) {
    // Only now: ")(" would be one between these parentheses.
    expression = std::make_shared<const RE2>(absl::StrCat("(.*\\.)?(", text, ")"), Options());
    SCANSERVE_RETURN_IF_ERROR(CheckCompiled(field, text, *expression));
  }
  instructions_ += expression->ProgramSize();
  if (instructions_ > kMaxInstructions) {
    return Fault(field, text,
                 absl::StrCat(": the regular expressions up to it take ", instructions_,
                              " instructions of RE2, expected up to ", kMaxInstructions));
  }
  return ModulePattern(text, std::move(expression));
}

}  // namespace scanserve::model
