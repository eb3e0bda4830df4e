#include "server/option_rows.h"

namespace scanserve::server {
namespace {

constexpr int64_t kTera = int64_t{1} << 40;
constexpr absl::Duration kDay = absl::Hours(24);
constexpr absl::Duration kShortest = absl::Milliseconds(1);

void AddPlaces(OptionTable& table, ServerOptions& options) {
  table.Group("Model, store and addresses");
  table.Text("model", options.model_folder, "FOLDER", "Hugging Face folder of a Mamba-1 model");
  table.Text(
      "model-digest", options.model_digest, "DIGEST",
      "digest that the model must have, 64 hex digits as `scanctl info --json` shows it; any "
      "other model ends the start (default: any is served)");
  table.Pairs("adapter", options.adapters.folders, "NAME=FOLDER",
              "LoRA adapter in PEFT's format; may be repeated; each takes its memory");
  table.Text("default-adapter", options.adapters.default_name, "NAME",
             "adapter of requests that name none, its newest version at the start (default: the "
             "base model)");
  table.List("merge-adapter", options.adapters.merged, "NAME",
             "serve this adapter, its newest version at the start, as a copy of the weights that "
             "it changes: for when it takes all traffic; may be repeated");
  table.Text("adapter-root", options.adapter_root, "FOLDER",
             "folder whose folders clients may load as adapters (default: none)");
  table.Text("listen", options.listen, "HOST:PORT",
             "address of the gRPC port; port 0 takes a free one");
  table.Text("port-file", options.port_file, "FILE",
             "file that gets the port once the server answers");
  table.Text("http-listen", options.http_listen, "HOST:PORT",
             "address of /healthz, /readyz, /metrics and /version; empty opens none");
  table.Text("http-port-file", options.http_port_file, "FILE",
             "file that gets that port once it is open, before the model loads");
  table.Text("admin-listen", options.admin_listen, "HOST:PORT",
             "loopback address of channelz, which shows gRPC's connections and streams (default: "
             "none is opened); port 0 takes a free one");
  table.Text("store", options.store_folder, "FOLDER",
             "folder of scan orders, adapters and the active setting");
}

void AddSessions(OptionTable& table, ServerOptions& options) {
  table.Group("Sessions");
  table.Text("session-keys", options.session_keys_file, "FILE",
             "key ring of sessions, shared by servers that resume each other's (default: one in "
             "the store)");
  table.Duration("session-ttl", options.session_ttl, absl::Seconds(1), 30 * kDay,
                 "how long a returned session can be resumed");
}

void AddEngine(OptionTable& table, ServerOptions& options) {
  runtime::EngineOptions& engine = options.engine;
  table.Group("Engine");
  table.Integer("threads", engine.threads, 0, 1024, "computing threads; 0 is one a processor");
  table.Choice("numerics", options.numerics,
               {{"f32.k1", Numerics::kF32K1}, {"torch", Numerics::kTorch}},
               "f32.k1 (equal bits in any batch) or torch (LibTorch's products)");
  table.Integer("max-sequences", engine.state_slots, 1, 65'536,
                "sequences that run at once; more answer more in all, each more slowly, and take "
                "the memory of a state each");
  table.Integer("step-tokens", engine.step_tokens, 1, 65'536,
                "tokens in one step of the engine; more read prompts faster while nothing is "
                "generated, and take memory");
  table.Integer("prompt-chunk-tokens", engine.prompt_chunk_tokens, 1, 65'536,
                "tokens of one prompt in a step while others wait");
  table.Number("prompt-slowdown", engine.prompt_slowdown, 1, 1000,
               "how many times as long a step may take for the prompts that are read beside "
               "generation; more read faster and make the gaps between tokens longer");
  table.Number("low-priority-slowdown", engine.low_priority_slowdown, 1, 1000,
               "the same when only low priority is read: scoring and extraction, if not said "
               "otherwise");
  table.Number("low-priority-share", engine.low_priority_share, 0.01, 0.99,
               "part of the reading and of the admissions that low priority keeps while normal "
               "requests want everything");
  table.Integer("queue-requests", engine.queued_requests, 1, 1'000'000,
                "requests that may wait; more are refused later and wait longer");
  table.Integer("queue-tokens", engine.queued_tokens, 1, kTera,
                "tokens of all waiting requests together, 4 bytes each");
  table.Duration("stall-park", engine.stall_park, kShortest, kDay,
                 "how long a client may not read before its sequence leaves its slot to others");
  table.Integer("park-bytes", engine.park_bytes, 0, kTera,
                "memory for the states of such sequences; over it the one stalled longest ends");
  table.Duration("stall-limit", engine.stall_limit, kShortest, kDay,
                 "how long a client may not read before its request ends");
  table.Integer("prefix-cache-bytes", engine.prefix_cache_bytes, 0, kTera << 4,
                "memory of states of prompts read before; 0 reads every prompt anew");
  table.Integer("prefix-block-tokens", engine.prefix_block_tokens, 1, 1 << 24,
                "tokens between the states that are stored of a prompt; fewer find more and take "
                "more memory");
}

void AddLimits(OptionTable& table, ServerOptions& options) {
  RequestLimits& limits = options.limits;
  table.Group("Limits of a request; more lets it take more memory and time");
  // Smaller ones would refuse the 1 MiB parts in which uploads come.
  table.Integer("max-message-bytes", options.max_message_bytes, 2 << 20, 1 << 30,
                "largest message of a client");
  table.Integer("max-prompt-bytes", limits.prompt_bytes, 1, 1 << 30, "text of a prompt");
  table.Integer("max-prompt-tokens", limits.prompt_tokens, 1, 1 << 24,
                "tokens of a prompt or window");
  table.Integer("max-subset-prompt-tokens", limits.subset_prompt_tokens, 1, 1 << 24,
                "the same under an order of some layers, which keeps all residuals in memory");
  table.Integer("max-new-tokens", limits.new_tokens, 1, 1 << 24, "tokens generated for a request");
  table.Integer("max-perplexity-tokens", limits.perplexity_tokens, 1, kTera,
                "tokens scored in a call");
  table.Integer("max-document-bytes", limits.document_bytes, 1, 1 << 30,
                "text of a scored document; tokenizing takes up to 100 times that");
  table.Integer("max-extraction-bytes", limits.extraction_bytes, 1, kTera,
                "hidden states of a request");
  table.Integer("max-stop-strings", limits.stop_strings, 0, 1024, "stop strings of a request");
  table.Integer("max-stop-string-bytes", limits.stop_string_bytes, 1, 65'536,
                "bytes of a stop string");
  table.Integer("max-stop-token-ids", limits.stop_token_ids, 0, 65'536,
                "stop token ids of a request");
  table.Integer("max-logit-biases", limits.logit_biases, 0, 1 << 20, "logit biases of a request");
  table.Integer("max-top-logprobs", limits.top_logprobs, 0, 1024, "alternatives beside each token");
  table.Integer("max-open-uploads", limits.open_uploads, 1, 1024, "uploads that may run at once");
  table.Integer("max-open-downloads", limits.open_downloads, 1, 1024,
                "downloads that may run at once, each with up to 8 MiB");
  table.Integer("max-open-scorings", limits.open_scorings, 1, 65'536,
                "perplexity and comparison calls that may be open at once, each with documents of "
                "its own");
  table.Duration("upload-idle", limits.upload_idle, kShortest, kDay,
                 "how long an upload may send nothing");
  table.Duration("max-request-duration", options.max_request_duration, kShortest, kDay,
                 "ends every request, whatever its deadline");
}

void AddLife(OptionTable& table, ServerOptions& options) {
  table.Group("Life of the process and log");
  table.Duration("max-connection-age", options.max_connection_age, absl::ZeroDuration(), kDay,
                 "after that a connection closes once its calls have ended, so that clients spread "
                 "over new servers; shorter costs handshakes; 0 keeps connections");
  table.Duration("liveness-timeout", options.liveness_timeout, kShortest, kDay,
                 "without a step for so long while requests wait, the engine counts as stuck; "
                 "shorter restarts sooner, and sometimes for nothing");
  table.Duration("drain-delay", options.drain_delay, absl::ZeroDuration(), kDay,
                 "on SIGTERM: time between NOT_SERVING and the first refused call; longer gives "
                 "balancers time to look elsewhere and makes the stop slower");
  table.Duration("drain-deadline", options.drain_deadline, absl::ZeroDuration(), kDay,
                 "after that: time for running calls before they are cancelled");
  table.Text("log-level", options.log.level, "LEVEL", "trace, debug, info, warning, error or off");
  table.Choice("log-format", options.log.format,
               {{"text", LogFormat::kText}, {"json", LogFormat::kJson}},
               "lines for people or for programs");
}

void AddMetrics(OptionTable& table, MetricsOptions& metrics) {
  table.Group("Metrics");
  table.Bounds("time-to-first-token-buckets", metrics.time_to_first_token_buckets,
               "upper bounds of the histogram's buckets in seconds; each is a series");
  table.Bounds("inter-token-latency-buckets", metrics.inter_token_latency_buckets, "the same");
  table.Bounds("duration-buckets", metrics.duration_buckets,
               "the same of requests and of their time in the queue");
  table.Bounds("step-token-buckets", metrics.step_token_buckets, "the same of tokens in a step");
}

void AddSecurity(OptionTable& table, ServerOptions& options) {
  SecurityOptions& security = options.security;
  table.Group("Security");
  table.Text("tls-certificate", security.tls_certificate, "FILE",
             "the server's certificate in PEM, with those up to its authority (default: plain "
             "text); read again when it changes");
  table.Text("tls-key", security.tls_key, "FILE", "its private key in PEM, without a password");
  table.Text("tls-client-ca", security.tls_client_ca, "FILE",
             "authorities of clients, which then need a certificate of theirs (default: none is "
             "asked for)");
  table.Text("tokens", security.tokens, "FILE",
             "list of access tokens, made by `scanctl token`, which calls then need (default: "
             "none); read again when it changes");
  table.Text("runtime-dir", security.runtime_dir, "FOLDER",
             "where the certificates in use are kept, best in memory (default: the temporary "
             "folder)");
  table.Number("max-requests-per-second", security.max_requests_per_second, 0, 1'000'000,
               "of one caller (its token, certificate or host); 0 sets no limit");
  table.Integer("request-burst", security.request_burst, 1, 1'000'000,
                "requests that a caller may send at once after it was silent");
  table.Flag("reflection", options.reflection, "offer reflection beyond loopback too; takes TLS");
  table.Flag("insecure-no-tls", options.insecure_no_tls, "serve a public address without TLS");
  table.Flag("insecure-no-auth", options.insecure_no_auth,
             "serve a public address without authentication");
}

}  // namespace

OptionTable RowsOf(ServerOptions& options) {
  OptionTable table;
  AddPlaces(table, options);
  AddSecurity(table, options);
  AddSessions(table, options);
  AddEngine(table, options);
  AddLimits(table, options);
  AddLife(table, options);
  AddMetrics(table, options.metrics);
  return table;
}

}  // namespace scanserve::server
