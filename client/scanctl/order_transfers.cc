// scanctl orders upload and download
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/number_text.h"
#include "client/progress_bar.h"
#include "client/scan_choice.h"
#include "client/scan_order_upload.h"
#include "client/scanctl/orders.h"
#include "core/base/file.h"
#include "scanserve/v1/scan_order_service.grpc.pb.h"

namespace scanserve::client {
namespace {

// Twice what the largest order takes.
constexpr int64_t kMaxOrderFileBytes = 16 << 20;

struct UploadFlags {
  std::string file;
  std::string name;
  bool must_be_new = false;
  bool force = false;
};

struct DownloadFlags {
  std::string name;
  std::string out;
};

absl::Status Upload(Session& session, const UploadFlags& flags) {
  SCANSERVE_ASSIGN_OR_RETURN(const std::string npy, base::ReadFile(flags.file, kMaxOrderFileBytes));
  v1::UploadScanOrderHeader header;
  header.set_name(flags.name);
  header.set_must_be_new(flags.must_be_new);
  header.set_force(flags.force);
  ProgressBar bar(session.terminal, "uploading", "bytes", static_cast<int64_t>(npy.size()));
  SCANSERVE_ASSIGN_OR_RETURN(
      const auto response,
      UploadScanOrder(session.connection, header, npy, [&bar](int64_t sent) { bar.Update(sent); }));
  bar.Clear();
  if (session.json) return WriteJson(session, MessageToJson(response));
  const v1::ScanOrder& order = response.order();
  return session.output.Write(absl::StrCat(response.created() ? "stored " : "already there as ",
                                           order.name(), "@", order.version(), ": ",
                                           WithThousands(order.length()), " positions, digest ",
                                           ShortDigest(order.digest()), "\n"));
}

absl::Status Download(Session& session, const DownloadFlags& flags) {
  v1::DownloadScanOrderRequest request;
  *request.mutable_order() = *ParseScanOrderRef(flags.name);
  v1::ScanOrderService::Stub stub(session.connection.channel());
  Call call(session.connection);
  const auto reader = stub.DownloadScanOrder(call.context(), request);
  v1::DownloadScanOrderResponse response;
  v1::ScanOrder order;
  std::string npy;
  while (npy.size() <= kMaxOrderFileBytes && reader->Read(&response)) {
    if (response.has_order()) order = response.order();
    npy += response.npy_chunk();
  }
  if (npy.size() > kMaxOrderFileBytes) {
    call.context()->TryCancel();
    reader->Finish();
    return absl::DataLossError(
        absl::StrCat("the server sent more than ", kMaxOrderFileBytes, " bytes for one order"));
  }
  SCANSERVE_RETURN_IF_ERROR(session.connection.FromGrpc(reader->Finish()));
  const std::string path = flags.out.empty() ? absl::StrCat(order.name(), ".npy") : flags.out;
  SCANSERVE_RETURN_IF_ERROR(base::WriteFileDurably(path, npy));
  if (session.json) {
    Json json = {{"path", path}, {"order", MessageToJson(order)}};
    return WriteJson(session, json);
  }
  return session.output.Write(absl::StrCat("wrote ", path, ": ", order.name(), "@", order.version(),
                                           ", ", WithThousands(order.length()), " positions\n"));
}

}  // namespace

void AddOrderTransfers(CLI::App& orders, Program& program) {
  auto upload_flags = std::make_shared<UploadFlags>();
  CLI::App& upload = *orders.add_subcommand("upload", "Store a .npy permutation under a name");
  upload.add_option("file", upload_flags->file, "Permutation of 0..P-1, integers")
      ->type_name("FILE.npy")
      ->required();
  upload.add_option("name", upload_flags->name, "Name that requests give")
      ->type_name("NAME")
      ->required();
  upload.add_flag("--must-be-new", upload_flags->must_be_new, "Fail if it holds other content");
  upload.add_flag("--force", upload_flags->force, "Even if computed for another model");
  upload.footer(
      "Equal content under a name is stored once; other content adds a version.\n\n"
      "Example:\n"
      "  scanctl orders upload scan_order.npy wiki");
  upload.callback([upload_flags, &program] {
    program.command = [upload_flags](Session& session) { return Upload(session, *upload_flags); };
  });

  auto download_flags = std::make_shared<DownloadFlags>();
  CLI::App& download = *orders.add_subcommand("download", "Write an order's .npy to a file");
  AddOrderName(download, download_flags->name);
  download.add_option("--out", download_flags->out, "File to write; NAME.npy")->type_name("FILE");
  download.footer("Example:\n  scanctl orders download wiki@1 --out wiki.npy");
  download.callback([download_flags, &program] {
    program.command = [download_flags](Session& session) {
      return Download(session, *download_flags);
    };
  });
}

}  // namespace scanserve::client
