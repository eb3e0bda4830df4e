// scanctl adapters load and upload
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/number_text.h"
#include "client/progress_bar.h"
#include "client/scan_choice.h"
#include "client/scanctl/adapters.h"
#include "core/base/file.h"
#include "scanserve/v1/adapter_service.grpc.pb.h"

namespace scanserve::client {
namespace {

using Stub = v1::AdapterService::Stub;

// What the server accepts.
constexpr int64_t kMaxConfigBytes = int64_t{1} << 20;
constexpr int64_t kMaxTensorsBytes = int64_t{256} << 20;

constexpr absl::string_view kStorageNote =
    "Equal content under a name is stored once; other content adds a version.\n"
    "A merged adapter takes the memory of the weights that it changes: for when it\n"
    "gets all traffic.\n\n";

struct TransferFlags {
  std::string folder;
  std::string name;
  std::string digest;
  bool must_be_new = false;
  bool merge = false;
  bool no_merge = false;

  v1::AdapterStorage ToProto() const {
    v1::AdapterStorage storage;
    storage.set_name(name);
    storage.set_digest(digest);
    storage.set_must_be_new(must_be_new);
    if (merge || no_merge) storage.set_merge(merge);
    return storage;
  }
};

// Response: LoadAdapter's or UploadAdapter's.
template <typename Response>
absl::Status Report(Session& session, const Response& response) {
  if (session.json) return WriteJson(session, MessageToJson(response));
  const v1::Adapter& adapter = response.adapter();
  return session.output.Write(absl::StrCat(
      response.created() ? "stored " : "already there as ", adapter.name(), "@", adapter.version(),
      adapter.merged() ? ", merged: " : ": ", "rank ", adapter.rank(), ", ", adapter.modules(),
      " modules, ", BytesText(adapter.memory_bytes()), " of memory, digest ",
      ShortDigest(adapter.digest()), "\n"));
}

absl::Status Load(Session& session, const TransferFlags& flags) {
  v1::LoadAdapterRequest request;
  request.set_folder(flags.folder);
  *request.mutable_storage() = flags.ToProto();
  SCANSERVE_ASSIGN_OR_RETURN(const auto response,
                             UnaryCall(session.connection, &Stub::LoadAdapter, request));
  return Report(session, response);
}

// Sends a file in parts; false when the server has already decided.
template <typename Writer>
bool SendFile(Writer& writer, const std::string& content,
              std::string* (v1::UploadAdapterRequest::*chunk)(),
              const std::function<void(size_t)>& on_sent) {
  constexpr size_t kChunkBytes = 256 << 10;
  for (size_t begin = 0; begin < content.size(); begin += kChunkBytes) {
    v1::UploadAdapterRequest request;
    *(request.*chunk)() = content.substr(begin, kChunkBytes);
    if (!writer.Write(request)) return false;
    on_sent((request.*chunk)()->size());
  }
  return true;
}

absl::Status Upload(Session& session, const TransferFlags& flags) {
  using Request = v1::UploadAdapterRequest;
  SCANSERVE_ASSIGN_OR_RETURN(
      const std::string config,
      base::ReadFile(absl::StrCat(flags.folder, "/adapter_config.json"), kMaxConfigBytes));
  SCANSERVE_ASSIGN_OR_RETURN(
      const std::string tensors,
      base::ReadFile(absl::StrCat(flags.folder, "/adapter_model.safetensors"), kMaxTensorsBytes));
  ProgressBar bar(session.terminal, "uploading", "bytes",
                  static_cast<int64_t>(config.size() + tensors.size()));
  int64_t sent = 0;
  const auto on_sent = [&](size_t bytes) {
    sent += static_cast<int64_t>(bytes);
    bar.Update(sent);
  };
  Stub stub(session.connection.channel());
  Call call(session.connection);
  v1::UploadAdapterResponse response;
  const auto writer = stub.UploadAdapter(call.context(), &response);
  Request header;
  *header.mutable_header() = flags.ToProto();
  const bool open = writer->Write(header) &&
                    SendFile(*writer, config, &Request::mutable_config_chunk, on_sent) &&
                    SendFile(*writer, tensors, &Request::mutable_tensors_chunk, on_sent);
  // A write fails when the server has already decided; Finish says how.
  if (open) writer->WritesDone();
  SCANSERVE_RETURN_IF_ERROR(session.connection.FromGrpc(writer->Finish()));
  bar.Clear();
  return Report(session, response);
}

void AddStorageFlags(CLI::App& app, TransferFlags& flags) {
  app.add_flag("--must-be-new", flags.must_be_new, "Fail if the name holds other content");
  app.add_option("--digest", flags.digest, "Fail if the content has another digest")
      ->type_name("HEX");
  CLI::Option* merge =
      app.add_flag("--merge", flags.merge, "Serve a merged copy of the model's weights");
  app.add_flag("--no-merge", flags.no_merge, "Serve it unmerged, as when it is new")
      ->excludes(merge);
}

using TransferCommand = absl::Status (*)(Session&, const TransferFlags&);

CLI::App& AddTransfer(CLI::App& adapters, Program& program, const std::string& name,
                      const std::string& description, const std::shared_ptr<TransferFlags>& flags,
                      TransferCommand run) {
  CLI::App& app = *adapters.add_subcommand(name, description);
  app.callback([flags, run, &program] {
    program.command = [flags, run](Session& session) { return run(session, *flags); };
  });
  return app;
}

}  // namespace

void AddAdapterTransfers(CLI::App& adapters, Program& program) {
  auto load_flags = std::make_shared<TransferFlags>();
  CLI::App& load = AddTransfer(adapters, program, "load",
                               "Store and serve a folder under --adapter-root", load_flags, &Load);
  load.add_option("folder", load_flags->folder, "Name of the folder on the server, not a path")
      ->type_name("FOLDER")
      ->required();
  load.add_option("--name", load_flags->name, "Name that requests give; the folder's")
      ->type_name("NAME");
  AddStorageFlags(load, *load_flags);
  load.footer(absl::StrCat(kStorageNote, "Example:\n  scanctl adapters load kjv --merge"));

  auto upload_flags = std::make_shared<TransferFlags>();
  CLI::App& upload = AddTransfer(adapters, program, "upload", "Store and serve a PEFT folder",
                                 upload_flags, &Upload);
  upload.add_option("folder", upload_flags->folder, "Folder in PEFT's format")
      ->type_name("FOLDER")
      ->required();
  upload.add_option("name", upload_flags->name, "Name that requests give")
      ->type_name("NAME")
      ->required();
  AddStorageFlags(upload, *upload_flags);
  upload.footer(absl::StrCat(kStorageNote, "Example:\n  scanctl adapters upload my_adapter/ mine"));
}

}  // namespace scanserve::client
