// Shows the events of a Generate call as text.
#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "client/program.h"
#include "client/table.h"
#include "scanserve/v1/inference_service.pb.h"

namespace scanserve::client {

// The prompt, when it is sent back, comes first. One continuation is written as it arrives; several
// are written one after the other, each under its number, as soon as those before it are finished.
// Log probabilities follow each text as a table.
class GenerationView {
 public:
  explicit GenerationView(Session& session) : session_(session) {}

  absl::Status Show(const v1::GenerateResponse& response);
  // What --stats says, once the call has ended.
  Fields Statistics() const;

 private:
  struct Choice {
    std::string unwritten;
    v1::GenerateDelta logprobs;
    v1::GenerateFinished finished;
    bool done = false;
  };

  absl::Status ShowPrompt(const v1::GeneratePrompt& part);
  // Before the first event of an answer.
  absl::Status EndPrompt();
  absl::Status ShowDelta(const v1::GenerateDelta& delta);
  absl::Status WriteCurrent();
  absl::Status EndCurrent(const Choice& choice);
  absl::Status WriteText(const std::string& text);
  // A line break, unless there is nothing in the present line.
  absl::Status EndLine();
  std::string LogprobTable(const v1::GenerateDelta& delta) const;
  std::string PromptTable() const;

  Session& session_;
  v1::GenerateStarted started_;
  v1::GenerateSummary summary_;
  // Log probabilities of all parts; text and ids are not kept.
  v1::GeneratePrompt prompt_;
  int64_t session_bytes_ = 0;
  std::map<int32_t, Choice> choices_;
  int32_t current_ = 0;  // the choice that is being written
  bool current_titled_ = false;
  bool prompt_ended_ = false;
  bool in_line_ = false;  // something is written since the last line break
};

}  // namespace scanserve::client
