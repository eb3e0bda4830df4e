// scanctl tokenize and scanctl detokenize
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/scanctl/commands.h"
#include "client/scanctl/prompt_flags.h"
#include "client/table.h"
#include "scanserve/v1/inference_service.grpc.pb.h"

namespace scanserve::client {
namespace {

struct TokenizeFlags {
  PromptFlags prompt;
  bool pieces = false;
};

struct DetokenizeFlags {
  std::vector<int32_t> token_ids;
  bool keep_special = false;
};

absl::Status Tokenize(Session& session, const TokenizeFlags& flags) {
  v1::TokenizeRequest request;
  SCANSERVE_ASSIGN_OR_RETURN(*request.mutable_prompt(), ReadPrompt(flags.prompt, false));
  request.set_with_pieces(flags.pieces);
  SCANSERVE_ASSIGN_OR_RETURN(
      const auto response,
      UnaryCall(session.connection, &v1::InferenceService::Stub::Tokenize, request));
  if (session.json) return WriteJson(session, MessageToJson(response));
  if (!flags.pieces) {
    return session.output.Write(absl::StrCat(absl::StrJoin(response.token_ids(), " "), "\n"));
  }
  if (response.pieces_size() != response.token_ids_size()) {
    return absl::DataLossError("the server sent another number of pieces than of tokens");
  }
  Table table({{"position", Alignment::kRight}, {"id", Alignment::kRight}, {"piece"}});
  for (int i = 0; i < response.token_ids_size(); ++i) {
    table.AddRow({absl::StrCat(i), absl::StrCat(response.token_ids(i)),
                  absl::StrCat("\"", Escaped(response.pieces(i)), "\"")});
  }
  return session.output.Write(
      table.Layout(session.terminal.output_columns, session.terminal.output_colour));
}

absl::Status Detokenize(Session& session, const DetokenizeFlags& flags) {
  v1::DetokenizeRequest request;
  request.mutable_token_ids()->Add(flags.token_ids.begin(), flags.token_ids.end());
  request.set_keep_special_tokens(flags.keep_special);
  SCANSERVE_ASSIGN_OR_RETURN(
      const auto response,
      UnaryCall(session.connection, &v1::InferenceService::Stub::Detokenize, request));
  if (session.json) return WriteJson(session, MessageToJson(response));
  const bool terminal = session.terminal.output_is_terminal;
  return session.output.Write(
      absl::StrCat(terminal ? WithoutControls(response.text()) : response.text(), "\n"));
}

}  // namespace

void AddTokenize(Program& program) {
  auto flags = std::make_shared<TokenizeFlags>();
  CLI::App& app = *program.app.add_subcommand("tokenize", "Show the token ids of a text");
  AddPromptFlags(app, flags->prompt);
  app.remove_option(app.get_option("--token-ids"));
  app.add_flag("--pieces", flags->pieces, "Show the text of each token too");
  app.footer("Example:\n  scanctl tokenize \"It was a dark and stormy night.\" --pieces");
  app.callback([flags, &program] {
    program.command = [flags](Session& session) { return Tokenize(session, *flags); };
  });
}

void AddDetokenize(Program& program) {
  auto flags = std::make_shared<DetokenizeFlags>();
  CLI::App& app = *program.app.add_subcommand("detokenize", "Show the text of token ids");
  app.add_option("ids", flags->token_ids, "Token ids, by spaces or commas")
      ->type_name("ID..")
      ->delimiter(',')
      ->required();
  app.add_flag("--keep-special-tokens", flags->keep_special, "Write special tokens too");
  app.footer("Example:\n  scanctl detokenize 464 1748 373");
  app.callback([flags, &program] {
    program.command = [flags](Session& session) { return Detokenize(session, *flags); };
  });
}

}  // namespace scanserve::client
