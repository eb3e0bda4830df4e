#include "client/scanorder/run.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/number_text.h"
#include "client/progress_bar.h"
#include "client/scan_choice.h"
#include "client/scan_order_upload.h"
#include "client/scanorder/order_evaluation.h"
#include "client/scanorder/report_page.h"
#include "client/scanorder/tour_output.h"
#include "client/scanorder/tour_progress.h"
#include "core/base/file.h"
#include "core/base/npy.h"
#include "core/order/computed_tour.h"
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
                            const order::ComputedTour& computed, int64_t seed) {
  const order::TourReport& tour = computed.report;
  v1::Provenance provenance;
  provenance.set_model_digest(extracted.in_force.model_digest());
  provenance.set_tokenizer_digest(extracted.in_force.tokenizer_digest());
  provenance.set_adapter_digest(extracted.in_force.adapter().digest());
  provenance.set_layer(extracted.layer);
  provenance.set_corpus_digest(corpus.digest);
  provenance.set_rows(tour.rows);
  provenance.set_rows_used(tour.rows_used);
  provenance.set_method(std::string(order::TourMethodName(computed.method)));
  provenance.set_seed(seed);
  provenance.set_natural_length(tour.natural_length);
  provenance.set_tour_length(tour.tour_length);
  provenance.mutable_created()->set_seconds(absl::ToUnixSeconds(absl::Now()));
  provenance.set_program(absl::StrCat("scanorder ", SCANSERVE_VERSION));
  return provenance;
}

// The lines that the order is computed from, and those after them that a report scores.
struct Documents {
  Corpus corpus;
  std::vector<std::string> held_out;
};

absl::StatusOr<Documents> ReadDocuments(const RunOptions& options) {
  CorpusRule rule = options.rule;
  if (!options.report.empty()) rule.max_documents += options.report_documents;
  Documents documents;
  SCANSERVE_ASSIGN_OR_RETURN(documents.corpus, ReadCorpus(options.corpus, rule));
  std::vector<std::string>& taken = documents.corpus.documents;
  const auto count = std::min(taken.size(), static_cast<size_t>(options.rule.max_documents));
  documents.held_out.assign(taken.begin() + static_cast<int64_t>(count), taken.end());
  taken.resize(count);
  return documents;
}

Fields ProvenanceFields(const v1::ScanOrder& order, const v1::Provenance& provenance) {
  return {{"order", absl::StrCat(order.name(), "@", order.version())},
          {"digest", order.digest()},
          {"model", provenance.model_digest()},
          {"tokenizer", provenance.tokenizer_digest()},
          {"adapter", provenance.adapter_digest().empty() ? "none" : provenance.adapter_digest()},
          {"layer", absl::StrCat(provenance.layer(), ", the input of its mixer, under identity")},
          {"corpus", provenance.corpus_digest()},
          {"created", TimeText(provenance.created())}};
}

absl::Status WriteReport(Session& session, const RunOptions& options, const Documents& documents,
                         const CorpusStates& extracted, const order::ComputedTour& tour,
                         const v1::ScanOrder& order, const v1::Provenance& provenance,
                         ProgressBar& bar) {
  Report report{.title = absl::StrCat("Scan order ", order.name(), "@", order.version()),
                .tour = tour,
                .figures = DrawTour(extracted.states, options.tour, tour.report.order),
                .provenance = ProvenanceFields(order, provenance),
                .comparisons = {},
                .scored_documents = ""};
  for (auto& field : TourFields(tour, options.tour)) report.provenance.push_back(field);
  if (!documents.held_out.empty()) {
    EvaluationPlan plan{.order = {},
                        .adapter = options.plan.adapter,
                        .prefix_tokens = options.report_prefix_tokens};
    plan.order.set_name(order.name());
    plan.order.set_version(order.version());
    SCANSERVE_ASSIGN_OR_RETURN(
        report.comparisons, CompareWithIdentity(session.connection, documents.held_out, plan, bar));
    report.scored_documents =
        absl::StrCat("On ", documents.held_out.size(),
                     " lines of the corpus that the order was not computed from.");
  }
  return base::WriteFileDurably(options.report, ReportPage(report));
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
absl::Status WriteFigures(Session& session, const RunOptions& options,
                          const CorpusStates& extracted, const order::ComputedTour& tour,
                          const v1::UploadScanOrderResponse& stored,
                          const v1::SetActiveScanResponse* activated) {
  const v1::ScanOrder& order = stored.order();
  if (session.json) {
    Json json = Json::parse(TourJson(tour), nullptr, false);
    json["out"] = OutFolder(options);
    if (!options.report.empty()) json["report"] = options.report;
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
  if (!options.report.empty()) absl::StrAppend(&text, "report          ", options.report, "\n");
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
  SCANSERVE_ASSIGN_OR_RETURN(const Documents documents, ReadDocuments(options));
  ProgressBar bar(session.terminal, "extracting", "documents", 0);
  SCANSERVE_ASSIGN_OR_RETURN(
      const CorpusStates extracted,
      ExtractCorpus(session.connection, documents.corpus, options.plan, bar));
  SCANSERVE_RETURN_IF_ERROR(WriteStates(extracted.states, OutFolder(options)));
  bar.Restart("computing", "rows", 0);
  order::TourOptions tour_options = options.tour;
  tour_options.on_progress = ShowsProgress(tour_options, bar);
  SCANSERVE_ASSIGN_OR_RETURN(const order::ComputedTour tour,
                             order::ComputeTour(extracted.states, tour_options));
  SCANSERVE_RETURN_IF_ERROR(WriteOrderFiles(tour.report, OutFolder(options)));
  const v1::Provenance provenance =
      ProvenanceOf(documents.corpus, extracted, tour, tour_options.seed);
  SCANSERVE_ASSIGN_OR_RETURN(const auto stored,
                             Upload(session, options, provenance, tour.report, bar));
  if (!options.report.empty()) {
    SCANSERVE_RETURN_IF_ERROR(
        WriteReport(session, options, documents, extracted, tour, stored.order(), provenance, bar));
  }
  bar.Clear();
  if (!options.activate) return WriteFigures(session, options, extracted, tour, stored, nullptr);
  SCANSERVE_ASSIGN_OR_RETURN(const auto activated, Activate(session, stored.order()));
  return WriteFigures(session, options, extracted, tour, stored, &activated);
}

}  // namespace scanserve::client
