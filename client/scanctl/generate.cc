// scanctl generate
#include <cstdio>
#include <memory>

#include "client/scanctl/commands.h"
#include "client/scanctl/generation_view.h"
#include "client/scanctl/prompt_flags.h"
#include "client/scanctl/sampling_flags.h"
#include "client/scanctl/scan_flags.h"
#include "client/scanctl/session_file.h"
#include "scanserve/v1/inference_service.grpc.pb.h"

namespace scanserve::client {
namespace {

struct GenerateFlags {
  PromptFlags prompt;
  SamplingFlags sampling;
  ScanFlags scan;
  std::string priority;
  std::string request_id;
  std::string unit_key;
  bool echo = false;
  bool prompt_logprobs = false;
  // Files; empty: none.
  std::string session;
  std::string save_session;
  bool stats = false;
};

absl::Status ShowJson(Session& session, const v1::GenerateResponse& response) {
  auto event = EventToJson(response);
  // The bytes of a session go into its file.
  if (event && response.has_session()) event->erase("data");
  return event ? session.output.Write(JsonLine(*event)) : absl::OkStatus();
}

// A session can go on without a prompt.
absl::Status ReadSessionAndPrompt(const GenerateFlags& flags, v1::GenerateRequest& request) {
  request.set_return_session(!flags.save_session.empty());
  if (!flags.session.empty()) {
    SCANSERVE_ASSIGN_OR_RETURN(*request.mutable_session(), ReadSession(flags.session));
    if (NoPromptGiven(flags.prompt)) return absl::OkStatus();
  }
  SCANSERVE_ASSIGN_OR_RETURN(*request.mutable_prompt(), ReadPrompt(flags.prompt, true));
  return absl::OkStatus();
}

absl::Status Generate(Session& session, const GenerateFlags& flags) {
  v1::GenerateRequest request;
  SCANSERVE_RETURN_IF_ERROR(ReadSessionAndPrompt(flags, request));
  *request.mutable_scan() = ScanChoiceOf(flags.scan);
  *request.mutable_adapter() = AdapterChoiceOf(flags.scan);
  *request.mutable_sampling() = SamplingOf(flags.sampling);
  request.set_priority(PriorityOf(flags.priority));
  request.set_request_id(flags.request_id);
  request.set_unit_key(flags.unit_key);
  request.set_echo(flags.echo);
  request.set_prompt_logprobs(flags.prompt_logprobs);

  v1::InferenceService::Stub stub(session.connection.channel());
  Call call(session.connection);
  const auto reader = stub.Generate(call.context(), request);
  GenerationView view(session);
  v1::GenerateResponse response;
  ReceivedSession received;
  absl::Status shown;
  while (shown.ok() && reader->Read(&response)) {
    if (response.has_session()) shown = received.Add(response.session());
    if (!shown.ok()) break;
    shown = session.json ? ShowJson(session, response) : view.Show(response);
  }
  if (!shown.ok()) call.context()->TryCancel();
  const grpc::Status status = reader->Finish();
  SCANSERVE_RETURN_IF_ERROR(shown);
  SCANSERVE_RETURN_IF_ERROR(session.connection.FromGrpc(status));
  if (!flags.save_session.empty()) {
    SCANSERVE_RETURN_IF_ERROR(received.Write(flags.save_session));
  }
  if (flags.stats && !session.json) {
    const std::string text = LayoutFields(view.Statistics(), session.terminal.error_colour);
    std::fputs(text.c_str(), stderr);
  }
  return absl::OkStatus();
}

}  // namespace

void AddGenerate(Program& program) {
  auto flags = std::make_shared<GenerateFlags>();
  CLI::App& app = *program.app.add_subcommand("generate", "Continue a prompt");
  AddPromptFlags(app, flags->prompt);
  AddSamplingFlags(app, flags->sampling);
  AddScanFlags(app, flags->scan);
  AddPriorityFlag(app, flags->priority, "normal");
  app.add_option("--request-id", flags->request_id, "For the server's log")->type_name("ID");
  app.add_option("--unit-key", flags->unit_key, "Groups requests in experiments")->type_name("KEY");
  app.add_flag("--echo", flags->echo, "Write the prompt as it was read, too");
  app.add_flag("--prompt-logprobs", flags->prompt_logprobs, "Log probability of each prompt token");
  app.add_option("--session", flags->session, "Go on from a saved session")->type_name("FILE");
  app.add_option("--save-session", flags->save_session, "Save the session to go on from")
      ->type_name("FILE");
  app.add_flag("--stats", flags->stats, "Times and counts on standard error");
  app.footer(
      "Text read from a file or standard input loses its last line break. With --json:\n"
      "one line for each event. Several continuations are written one after the\n"
      "other, the first as it arrives. --prompt-logprobs with -m 0 scores a prompt.\n"
      "A session keeps its order and adapter; both flags may name one file.\n\n"
      "Example:\n"
      "  scanctl generate \"The city was founded in\" --max-new-tokens 40 --seed 7\n"
      "  scanctl generate \"The city was founded in\" -n 3 -t 1 -m 20\n"
      "  scanctl generate \"The city was founded in\" -m 0 --prompt-logprobs");
  app.callback([flags, &program] {
    program.command = [flags](Session& session) { return Generate(session, *flags); };
  });
}

}  // namespace scanserve::client
