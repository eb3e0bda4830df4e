#include "server/option_reader.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status_macros.h"
#include "server/default_folders.h"

namespace scanserve::server {
namespace {

void AddDuration(CLI::App& app, const std::string& flag, absl::Duration& value,
                 const std::string& text) {
  app.add_option_function<std::string>(
         flag,
         [flag, &value](const std::string& written) {
           if (!absl::ParseDuration(written, &value)) {
             throw CLI::ValidationError(flag,
                                        "must be a duration such as 500ms, 30s or 10m: " + written);
           }
         },
         text)
      ->type_name("DURATION")
      ->default_str(absl::FormatDuration(value));
}

void AddPlaces(CLI::App& app, ServerOptions& options) {
  app.add_option("--model", options.model_folder, "Hugging Face folder of a Mamba-1 model")
      ->type_name("FOLDER");
  app.add_option_function<std::vector<std::string>>(
         "--adapter",
         [&options](const std::vector<std::string>& pairs) {
           for (const std::string& pair : pairs) {
             const size_t equals = pair.find('=');
             if (equals == std::string::npos) {
               throw CLI::ValidationError("--adapter", "must be NAME=FOLDER: " + pair);
             }
             options.adapters.folders.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
           }
         },
         "LoRA adapter in PEFT's format; may be repeated")
      ->type_name("NAME=FOLDER")
      ->expected(1)
      ->take_all();
  app.add_option("--default-adapter", options.adapters.default_name,
                 "adapter of requests that name none, its newest version at the start (default: "
                 "the base model)")
      ->type_name("NAME");
  app.add_option("--merge-adapter", options.adapters.merged,
                 "serve this adapter, its newest version at the start, as a copy of the weights "
                 "that it changes: for when it takes all traffic; may be repeated")
      ->type_name("NAME")
      ->expected(1)
      ->take_all();
  app.add_option("--adapter-root", options.adapter_root,
                 "folder whose folders clients may load as adapters (default: none)")
      ->type_name("FOLDER");
  app.add_option("--listen", options.listen, "address of the gRPC port; port 0 takes a free one")
      ->type_name("HOST:PORT");
  app.add_option("--port-file", options.port_file,
                 "file that gets the port once the server answers")
      ->type_name("FILE");
  app.add_option("--store", options.store_folder,
                 "folder of scan orders, adapters and the active setting")
      ->type_name("FOLDER");
}

void AddScheduling(CLI::App& app, runtime::EngineOptions& engine) {
  app.add_option("--max-sequences", engine.state_slots,
                 "sequences that run at once; more answer more in all, each more slowly, and take "
                 "the memory of a state each");
  app.add_option("--step-tokens", engine.step_tokens,
                 "tokens in one step of the engine; more read prompts faster while nothing is "
                 "generated, and take memory");
  app.add_option("--prompt-chunk-tokens", engine.prompt_chunk_tokens,
                 "tokens of one prompt in a step while others wait");
  app.add_option("--prompt-slowdown", engine.prompt_slowdown,
                 "how many times as long a step may take for the prompts that are read beside "
                 "generation; more read faster and make the gaps between tokens longer");
  app.add_option("--low-priority-slowdown", engine.low_priority_slowdown,
                 "the same when only low priority is read: scoring and extraction, if not said "
                 "otherwise");
  app.add_option("--low-priority-share", engine.low_priority_share,
                 "part of the reading and of the admissions that low priority keeps while normal "
                 "requests want everything");
  app.add_option("--queue-requests", engine.queued_requests,
                 "requests that may wait; more are refused later and wait longer");
  app.add_option("--queue-tokens", engine.queued_tokens,
                 "tokens of all waiting requests together, 4 bytes each");
  AddDuration(app, "--stall-park", engine.stall_park,
              "how long a client may not read before its sequence leaves its slot to others");
  app.add_option("--park-bytes", engine.park_bytes,
                 "memory for the states of such sequences; over it the one stalled longest ends");
  AddDuration(app, "--stall-limit", engine.stall_limit,
              "how long a client may not read before its request ends");
}

void AddSessions(CLI::App& app, ServerOptions& options) {
  app.add_option("--session-keys", options.session_keys_file,
                 "key ring of sessions, shared by servers that resume each other's (default: one "
                 "in the store)")
      ->type_name("FILE");
  AddDuration(app, "--session-ttl", options.session_ttl,
              "how long a returned session can be resumed");
}

void AddEngine(CLI::App& app, ServerOptions& options) {
  const std::map<std::string, Numerics> numerics = {{"f32.k1", Numerics::kF32K1},
                                                    {"torch", Numerics::kTorch}};
  app.add_option("--threads", options.engine.threads, "computing threads; 0 is one a processor");
  app.add_option("--numerics", options.numerics,
                 "f32.k1 (equal bits in any batch) or torch (LibTorch's products)")
      ->transform(CLI::CheckedTransformer(numerics))
      ->default_str(NumericsId(options.numerics));
  AddScheduling(app, options.engine);
  app.add_option("--prefix-cache-bytes", options.engine.prefix_cache_bytes,
                 "memory of states of prompts read before; 0 reads every prompt anew");
  app.add_option("--prefix-block-tokens", options.engine.prefix_block_tokens,
                 "tokens between the states that are stored of a prompt");
}

void AddLimits(CLI::App& app, ServerOptions& options) {
  RequestLimits& limits = options.limits;
  app.add_option("--max-message-bytes", options.max_message_bytes, "largest message of a client");
  app.add_option("--max-prompt-bytes", limits.prompt_bytes, "text of a prompt");
  app.add_option("--max-prompt-tokens", limits.prompt_tokens, "tokens of a prompt or window");
  app.add_option("--max-subset-prompt-tokens", limits.subset_prompt_tokens,
                 "the same under an order of some layers");
  app.add_option("--max-new-tokens", limits.new_tokens, "tokens generated for a request");
  app.add_option("--max-perplexity-tokens", limits.perplexity_tokens, "tokens scored in a call");
  app.add_option("--max-document-bytes", limits.document_bytes, "text of a scored document");
  app.add_option("--max-extraction-bytes", limits.extraction_bytes, "hidden states of a request");
  app.add_option("--max-stop-strings", limits.stop_strings, "stop strings of a request");
  app.add_option("--max-stop-string-bytes", limits.stop_string_bytes, "bytes of a stop string");
  app.add_option("--max-stop-token-ids", limits.stop_token_ids, "stop token ids of a request");
  app.add_option("--max-logit-biases", limits.logit_biases, "logit biases of a request");
  app.add_option("--max-top-logprobs", limits.top_logprobs, "alternatives beside each token");
  app.add_option("--max-open-uploads", limits.open_uploads, "uploads that may run at once");
  AddDuration(app, "--upload-idle", limits.upload_idle, "how long an upload may send nothing");
}

void AddLife(CLI::App& app, ServerOptions& options) {
  const std::map<std::string, LogFormat> formats = {{"text", LogFormat::kText},
                                                    {"json", LogFormat::kJson}};
  AddDuration(app, "--max-request-duration", options.max_request_duration,
              "ends every request, whatever its deadline");
  AddDuration(app, "--drain-delay", options.drain_delay,
              "on SIGTERM: time between NOT_SERVING and the first refused call");
  AddDuration(app, "--drain-deadline", options.drain_deadline,
              "after that: time for running calls before they are cancelled");
  app.add_flag("--reflection", options.reflection, "offer reflection beyond loopback too");
  app.add_flag("--insecure-no-tls", options.insecure_no_tls, "serve a public address without TLS");
  app.add_flag("--insecure-no-auth", options.insecure_no_auth,
               "serve a public address without authentication");
  app.add_option("--log-level", options.log.level, "trace, debug, info, warning, error or off");
  app.add_option("--log-format", options.log.format, "text or json")
      ->transform(CLI::CheckedTransformer(formats))
      ->default_str("text");
}

}  // namespace

absl::StatusOr<std::optional<ServerOptions>> ReadOptions(int argc, const char* const* argv) {
  ServerOptions options;
  options.model_folder = DefaultModelFolder();
  options.store_folder = DefaultStoreFolder();
  CLI::App app("Serves a Mamba-1 language model over gRPC.", "scanserve-server");
  app.option_defaults()->always_capture_default();
  app.set_version_flag("--version", "scanserve-server " SCANSERVE_VERSION);
  AddPlaces(app, options);
  AddSessions(app, options);
  AddEngine(app, options);
  AddLimits(app, options);
  AddLife(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      app.exit(error, std::cout, std::cerr);
      return std::optional<ServerOptions>();
    }
    return absl::InvalidArgumentError(error.what());
  }
  SCANSERVE_RETURN_IF_ERROR(Validate(options));
  return std::optional<ServerOptions>(std::move(options));
}

}  // namespace scanserve::server
