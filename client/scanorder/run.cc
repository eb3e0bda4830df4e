#include "client/scanorder/run.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/number_text.h"
#include "client/progress_bar.h"
#include "client/scan_choice.h"
#include "client/scan_order_upload.h"
#include "client/scanorder/tour_output.h"
#include "core/base/file.h"
#include "core/base/npy.h"
#include "core/order/correlation_tour.h"
#include "scanserve/v1/scan_order_service.grpc.pb.h"

namespace scanserve::client {
namespace {

std::string OutFolder(const RunOptions& options) {
  return options.out.empty() ? absl::StrCat("scanorder-", options.name) : options.out;
}

absl::Status WriteStates(const base::FloatMatrix& states, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("cannot make the folder ", folder, ": ", error.message()));
  }
  return base::WriteFileDurably(
      absl::StrCat(folder, "/hidden_states.npy"),
      base::FormatNpyFloatMatrix(states.values, states.rows, states.columns));
}

v1::Provenance ProvenanceOf(const Corpus& corpus, const CorpusStates& extracted,
                            const order::TourReport& tour) {
  v1::Provenance provenance;
  provenance.set_model_digest(extracted.in_force.model_digest());
  provenance.set_tokenizer_digest(extracted.in_force.tokenizer_digest());
  provenance.set_adapter_digest(extracted.in_force.adapter().digest());
  provenance.set_layer(extracted.layer);
  provenance.set_corpus_digest(corpus.digest);
  provenance.set_rows(tour.rows);
  provenance.set_rows_used(tour.rows_used);
  provenance.set_method("nearest-neighbour");
  provenance.set_natural_length(tour.natural_length);
  provenance.set_tour_length(tour.tour_length);
  provenance.mutable_created()->set_seconds(absl::ToUnixSeconds(absl::Now()));
  provenance.set_program(absl::StrCat("scanorder ", SCANSERVE_VERSION));
  return provenance;
}

absl::StatusOr<v1::UploadScanOrderResponse> Upload(Session& session, const RunOptions& options,
                                                   const v1::Provenance& provenance,
                                                   const order::TourReport& tour,
                                                   ProgressBar& bar) {
  const std::string npy = base::FormatNpyIntegers(tour.order);
  v1::UploadScanOrderHeader header;
  header.set_name(options.name);
  *header.mutable_provenance() = provenance;
  bar.Restart("uploading", "bytes", static_cast<int64_t>(npy.size()));
  return UploadScanOrder(session.connection, header, npy,
                         [&bar](int64_t sent) { bar.Update(sent); });
}

absl::StatusOr<v1::SetActiveScanResponse> Activate(Session& session, const v1::ScanOrder& order) {
  v1::SetActiveScanRequest request;
  v1::ScanOrderRef& ref = *request.mutable_setting()->mutable_order();
  ref.set_name(order.name());
  ref.set_version(order.version());
  return UnaryCall(session.connection, &v1::ScanOrderService::Stub::SetActiveScan, request);
}

// What is told at the end, as JSON; people read the same in lines.
absl::Status Report(Session& session, const RunOptions& options, const CorpusStates& extracted,
                    const order::TourReport& tour, const v1::UploadScanOrderResponse& stored,
                    const v1::SetActiveScanResponse* activated) {
  const v1::ScanOrder& order = stored.order();
  if (session.json) {
    Json json = Json::parse(TourJson(tour), nullptr, false);
    json["out"] = OutFolder(options);
    json["in_force"] = MessageToJson(extracted.in_force);
    json["order"] = MessageToJson(order);
    json["created"] = stored.created();
    if (activated != nullptr) json["active"] = MessageToJson(activated->active());
    return WriteJson(session, json);
  }
  std::string text = TourText(tour);
  absl::StrAppend(&text, "extracted       layer ", extracted.layer, ", identity, adapter ",
                  AdapterText(extracted.in_force), "\n");
  absl::StrAppend(&text, "files           ", OutFolder(options), "\n");
  absl::StrAppend(&text, "order           ", order.name(), "@", order.version(),
                  stored.created() ? " stored" : " already stored", ", ",
                  WithThousands(order.length()), " positions, digest ", ShortDigest(order.digest()),
                  "\n");
  if (activated != nullptr) {
    absl::StrAppend(&text, "active          ", ScanSettingText(activated->active().setting()),
                    ", revision ", activated->active().revision(), "\n");
  }
  return session.output.Write(text);
}

}  // namespace

absl::Status RunScanOrder(Session& session, const RunOptions& options) {
  SCANSERVE_ASSIGN_OR_RETURN(const Corpus corpus, ReadCorpus(options.corpus, options.rule));
  ProgressBar bar(session.terminal, "extracting", "documents", 0);
  SCANSERVE_ASSIGN_OR_RETURN(const CorpusStates extracted,
                             ExtractCorpus(session.connection, corpus, options.plan, bar));
  bar.Restart("computing", "rows", 0);
  SCANSERVE_ASSIGN_OR_RETURN(const order::TourReport tour,
                             order::CorrelationTour(extracted.states));
  SCANSERVE_RETURN_IF_ERROR(WriteStates(extracted.states, OutFolder(options)));
  SCANSERVE_RETURN_IF_ERROR(WriteOrderFiles(tour, OutFolder(options)));
  SCANSERVE_ASSIGN_OR_RETURN(
      const auto stored,
      Upload(session, options, ProvenanceOf(corpus, extracted, tour), tour, bar));
  bar.Clear();
  if (!options.activate) return Report(session, options, extracted, tour, stored, nullptr);
  SCANSERVE_ASSIGN_OR_RETURN(const auto activated, Activate(session, stored.order()));
  return Report(session, options, extracted, tour, stored, &activated);
}

}  // namespace scanserve::client
