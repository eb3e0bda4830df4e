// What the server can be told, with defaults. Named in option_rows.cc, read by
// option_reader.cc, checked by FaultsOf.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/runtime/engine.h"
#include "server/adapter_table.h"
#include "server/fault_list.h"
#include "server/log.h"
#include "server/metrics_options.h"
#include "server/security_options.h"

namespace scanserve::server {

// What one request may ask for; over a limit is INVALID_ARGUMENT, before anything is queued.
struct RequestLimits {
  int64_t prompt_bytes = int64_t{1} << 20;
  int64_t prompt_tokens = 32'768;
  // For a prompt under an order that applies to some of the layers: its residuals are all kept.
  int64_t subset_prompt_tokens = 8'192;
  int32_t new_tokens = 4'096;
  // Continuations of one prompt, each with a state slot of its own.
  int32_t choices = 8;
  // Model tokens of one perplexity call; SLIDING counts each window in full.
  int64_t perplexity_tokens = 10'000'000;
  // Text of one document (tokenizing takes up to 100 times that); windows have the limits of
  // prompts.
  int64_t document_bytes = int64_t{4} << 20;
  int64_t extraction_bytes = int64_t{1} << 30;
  int32_t stop_strings = 16;
  int64_t stop_string_bytes = 256;
  int32_t stop_token_ids = 64;
  int32_t logit_biases = 1'024;
  int32_t top_logprobs = 20;
  int32_t open_uploads = 4;
  // Each holds the order's file.
  int32_t open_downloads = 16;
  // ComputePerplexity and Compare: each holds a few of its client's documents.
  int32_t open_scorings = 64;
  // An upload that sends nothing for longer is ended.
  absl::Duration upload_idle = absl::Seconds(30);
};

// Who computes the matrix products.
enum class Numerics {
  kF32K1,  // our own kernels: equal bits in any batch
  kTorch,  // LibTorch's, without that promise
};
// "f32.k1" or "torch": the numerics id in answers.
const char* NumericsId(Numerics numerics);

struct ServerOptions {
  // A Hugging Face folder; the option reader puts the embedded model here when none is named.
  std::string model_folder;
  // The digest that the model must have; empty takes any.
  std::string model_digest;
  AdapterOptions adapters;
  // Where LoadAdapter finds folders; empty offers none.
  std::string adapter_root;
  // HOST:PORT. Port 0 takes a free one.
  std::string listen = "127.0.0.1:50051";
  // Where the port is written once the server answers; empty writes nothing.
  std::string port_file;
  // HOST:PORT of probes and metrics; empty opens none. Port 0 takes a free one.
  std::string http_listen = "127.0.0.1:8002";
  // Where that port is written once it is open, before the model loads; empty writes nothing.
  std::string http_port_file;
  // HOST:PORT of channelz, on a loopback address; empty opens none. Port 0 takes a free one.
  std::string admin_listen;
  // The directory store.
  std::string store_folder;
  // The key ring of sessions; empty is one in the store's folder, made when it is not there.
  std::string session_keys_file;
  // How long a returned session can be resumed.
  absl::Duration session_ttl = absl::Hours(24);
  Numerics numerics = Numerics::kF32K1;
  runtime::EngineOptions engine;
  RequestLimits limits;
  // Ends every request, whatever its client's deadline.
  absl::Duration max_request_duration = absl::Seconds(600);
  // After that a connection is closed once its calls have ended, so that clients look for a server
  // again; 0 keeps connections.
  absl::Duration max_connection_age = absl::ZeroDuration();
  // Without a step for so long while requests wait, the engine counts as stuck.
  absl::Duration liveness_timeout = absl::Seconds(60);
  MetricsOptions metrics;
  // Between NOT_SERVING and the first refused call: balancers need time to look elsewhere.
  absl::Duration drain_delay = absl::Seconds(5);
  // What running calls get after that before they are cancelled.
  absl::Duration drain_deadline = absl::Seconds(60);
  // Largest message that gRPC takes from a client.
  int64_t max_message_bytes = int64_t{4} << 20;
  SecurityOptions security;
  // Reflection beyond loopback addresses, where it is always on; takes TLS.
  bool reflection = false;
  bool insecure_no_tls = false;
  bool insecure_no_auth = false;
  LogOptions log;
};

// A host and port out of HOST:PORT, [IPV6]:PORT. INVALID_ARGUMENT when it is neither.
absl::StatusOr<std::pair<std::string, int>> ParseListen(const std::string& listen);

// Whether only this machine can reach `host`.
bool IsLoopback(const std::string& host);

// Every fault, each with the option's name, its value and what is accepted.
FaultList FaultsOf(const ServerOptions& options);

// The effective configuration, for the log: each option by its key. Secrets stand in files, whose
// paths these are.
std::vector<LogField> Describe(const ServerOptions& options);

}  // namespace scanserve::server
